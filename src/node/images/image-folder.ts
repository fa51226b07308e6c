/**
 * A folder of PNG and JPEG files as a data set: each sub-folder is a class and bears its name. With folders for training,
 * validation and testing above the classes all are read. Images are decoded one at a time; only samples of the final size are kept.
 * Refuses folders without classes or images, images of different sizes unless a size is asked for, and damaged files.
 */
import { basename, join, resolve } from "node:path";
import { DataError, ValueError } from "../../common/errors.ts";
import { checkOptions, shown } from "../../common/options.ts";
import { warn } from "../../common/printable.ts";
import { type Dataset, validateDataset } from "../../data/dataset.ts";
import { type ImageSize, imageToSample, isGrey, toGrey } from "../../data/images/resize.ts";
import type { TrainTest } from "../../data/published/dataset-source.ts";
import { readPlainFile } from "../files/plain-file.ts";
import { decodeImage } from "./decode-image.ts";
import { findImages, type ImagePart } from "./image-tree.ts";

export interface ImageFolderOptions {
  /** [height, width] of the samples, stretched to; default: the images' own size, which must then be the same for all. */
  readonly size?: readonly [height: number, width: number];
  /** 1 for grey, 3 for red, green, blue; default: 1 if all images are grey. */
  readonly channels?: 1 | 3;
  readonly signal?: AbortSignal | undefined;
  /** Told in one line each what is left out: files that are no images, classes without images in a part. Default console.warn. */
  readonly onNotice?: (text: string) => void;
}

export interface ImageParts extends TrainTest {
  /** Where the folder has a part for validation beside one for testing. */
  readonly validation?: Dataset;
}

/** Most bytes of samples: 1 GiB. */
const MOST_BYTES = 2 ** 30;
/** Most bytes of an image's file. */
export const MOST_FILE = 2 ** 28;

/**
 * Training, test and validation set if the folder is divided so (train, valid, test, in any usual spelling; a validation set
 * is the test set if there is no other), else one data set. Rejects with a DataError or FormatError naming the path.
 */
export async function imageFolder(
  path: string,
  options: ImageFolderOptions = {},
): Promise<Dataset | ImageParts> {
  const kinds = { size: "array", channels: "any", signal: "object", onNotice: "function" } as const;
  const { size, channels } = checkOptions("imageFolder", options, kinds);
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new ValueError(`imageFolder: channels must be 1 or 3, got ${shown(channels)}`);
  }
  if (
    (size !== undefined && size.length !== 2) ||
    size?.some((extent) => !Number.isInteger(extent) || extent < 1 || extent > 4096)
  ) {
    throw new ValueError(
      `imageFolder: size must be two whole numbers from 1 to 4096, got [${size.join(", ")}]`,
    );
  }
  const root = resolve(path);
  const notice = options.onNotice ?? warn;
  const parts = await findImages(root, notice);
  const of = (kind: ImagePart["kind"]) => parts.find((part) => part.kind === kind);
  const first = of("train") ?? (parts[0] as ImagePart);
  const names = first.classes.map(({ name }) => name);
  const leading = await readImages(first, names, options);
  // Images of a size of their own are a mistake in the other parts too, unless a size is asked for.
  const fixed = {
    ...options,
    size: [leading.size.height, leading.size.width] as const,
    exact: size === undefined,
  };
  const read = new Map([[first.kind, leading]]);
  for (const part of parts) {
    if (part === first) continue;
    expectClasses(part, first, names, notice);
    read.set(part.kind, await readImages(part, names, fixed));
  }
  const depth = channels ?? ([...read.values()].every(samplesAreGrey) ? 1 : 3);
  const dataset = (kind: ImagePart["kind"], split: string) =>
    toDataset(read.get(kind) as Images, { root, split, names, channels: depth });
  if (parts.length === 1) return dataset(first.kind, first.kind);
  const train = dataset("train", "train");
  if (!read.has("test")) return { train, test: dataset("validation", "test") };
  const test = dataset("test", "test");
  return read.has("validation")
    ? { train, test, validation: dataset("validation", "validation") }
    : { train, test };
}

/** Throws DataError where a part has a class that the first part lacks; says where it lacks one itself. */
function expectClasses(
  part: ImagePart,
  first: ImagePart,
  names: readonly string[],
  notice: (text: string) => void,
): void {
  const there = part.classes.map(({ name }) => name);
  const stranger = there.find((name) => !names.includes(name));
  if (stranger !== undefined)
    throw new DataError(`${join(part.path, stranger)}: there is no such class in ${first.path}`);
  const missing = names.filter((name) => !there.includes(name));
  if (missing.length > 0) notice(`${part.path}: has no images of ${missing.join(", ")}`);
}

interface Images {
  readonly size: ImageSize;
  /** [count, 3, height, width] */
  readonly samples: Uint8Array;
  readonly labels: Int32Array;
}

const samplesAreGrey = ({ samples, size }: Images) => isGrey(samples, size.height * size.width);

async function readImages(
  { path: root, classes }: ImagePart,
  names: readonly string[],
  options: ImageFolderOptions & { readonly exact?: boolean },
): Promise<Images> {
  const { signal, exact = options.size === undefined } = options;
  const count = classes.reduce((sum, { files }) => sum + files.length, 0);
  const labels = new Int32Array(count);
  let size = options.size && { height: options.size[0], width: options.size[1] };
  let samples = new Uint8Array(0);
  let at = 0;
  for (const { name, files } of classes) {
    for (const file of files) {
      signal?.throwIfAborted();
      const bytes = await readPlainFile(file, MOST_FILE);
      const image = decodeImage(bytes, { name: file });
      size ??= { height: image.height, width: image.width };
      if (exact && (image.height !== size.height || image.width !== size.width)) {
        throw new DataError(
          `${file}: is ${image.width}x${image.height}, images before it ${size.width}x${size.height}; ` +
            "give the `size` that all are to be resized to",
        );
      }
      const each = 3 * size.height * size.width;
      if (at === 0) {
        if (count * each > MOST_BYTES) {
          throw new DataError(
            `${root}: ${count} images of ${size.width}x${size.height} take more than 1 GiB; give a smaller \`size\``,
          );
        }
        samples = new Uint8Array(count * each);
      }
      samples.set(imageToSample(image, size), at * each);
      labels[at] = names.indexOf(name);
      at++;
    }
  }
  return { size: size ?? { height: 1, width: 1 }, samples, labels };
}

interface About {
  readonly root: string;
  readonly split: string;
  readonly names: readonly string[];
  readonly channels: 1 | 3 | undefined;
}

function toDataset(images: Images, { root, split, names, channels }: About): Dataset {
  const { height, width } = images.size;
  const depth = channels ?? (samplesAreGrey(images) ? 1 : 3);
  return validateDataset({
    name: basename(root),
    split,
    count: images.labels.length,
    inputs: {
      data: depth === 1 ? toGrey(images.samples, height * width) : images.samples,
      shape: [depth, height, width],
      scale: 1 / 255,
    },
    labels: images.labels,
    classes: names.length,
    classNames: names,
  });
}
