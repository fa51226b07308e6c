/**
 * Reads a folder of PNG and JPEG files as a data set: each sub-folder is a class. Folders for training, validation and testing
 * above the classes become separate sets. Images are decoded one at a time; only samples of the final size stay in memory.
 */
import { basename, join, resolve } from "node:path";
import { type Dataset, validateDataset } from "../../data/dataset.ts";
import { type ImageSize, imageToSample, isGrey, toGrey } from "../../data/images/resize.ts";
import type { TrainTest } from "../../data/published/dataset-source.ts";
import { DataError, ValueError } from "../../validation/errors.ts";
import { checkOptions, shown } from "../../validation/options.ts";
import { warn } from "../../validation/printable.ts";
import { readPlainFile } from "../files/plain-file.ts";
import { decodeImage } from "./decode-image.ts";
import { findImages, type ImagePart } from "./image-tree.ts";

export interface ImageFolderOptions {
  /** [height, width] to resize to by stretching; default: the size of the images, which must then all have the same. */
  readonly size?: readonly [height: number, width: number];
  /** 1 for grey, 3 for red, green, blue; default: 1 if all images are grey. */
  readonly channels?: 1 | 3;
  readonly signal?: AbortSignal | undefined;
  /** Told in one line each what is left out: other files, classes without images in a part. Default console.warn. */
  readonly onNotice?: (text: string) => void;
}

export interface ImageParts extends TrainTest {
  /** If the folder has one for validation and one for testing. */
  readonly validation?: Dataset;
}

/** Most bytes of all samples: 1 GiB. */
const MOST_BYTES = 2 ** 30;
/** Most bytes of an image file: 256 MiB. */
export const MOST_FILE_BYTES = 2 ** 28;

/**
 * Training, test and validation set if the folder is divided (train, valid, test in any usual spelling; a validation set
 * alone serves as the test set), else one data set. Rejects with a DataError or FormatError that names the path: folders
 * without classes or images, damaged files, images of different sizes without `size`.
 */
export async function imageFolder(
  path: string,
  options: ImageFolderOptions = {},
): Promise<Dataset | ImageParts> {
  const kinds = { size: "array", channels: "any", signal: "object", onNotice: "function" } as const;
  const { size, channels, onNotice: notice = warn } = checkOptions("imageFolder", options, kinds);
  if (channels !== undefined && channels !== 1 && channels !== 3)
    throw new ValueError(`imageFolder: channels must be 1 or 3, got ${shown(channels)}`);
  const isExtent = (extent: number) => Number.isInteger(extent) && extent >= 1 && extent <= 4096;
  if (size !== undefined && (size.length !== 2 || !size.every(isExtent))) {
    throw new ValueError(
      `imageFolder: size must be two whole numbers from 1 to 4096, got [${size.join(", ")}]`,
    );
  }
  const root = resolve(path);
  const parts = await findImages(root, notice);
  const first = parts.find(({ kind }) => kind === "train") ?? (parts[0] as ImagePart);
  const names = first.classes.map(({ name }) => name);
  const leading = await readImages(first, names, options);
  // Without `size`, images of the other parts must have the size of the first part.
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
    toDataset(read.get(kind) as Images, basename(root), split, names, depth);
  if (parts.length === 1) return dataset(first.kind, first.kind);
  const train = dataset("train", "train");
  if (!read.has("test")) return { train, test: dataset("validation", "test") };
  const test = dataset("test", "test");
  return read.has("validation")
    ? { train, test, validation: dataset("validation", "validation") }
    : { train, test };
}

/** Throws DataError where `part` has a class that `first` lacks; gives a notice where it lacks a class. */
function expectClasses(
  part: ImagePart,
  first: ImagePart,
  names: readonly string[],
  notice: (text: string) => void,
): void {
  const own = part.classes.map(({ name }) => name);
  const unknown = own.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new DataError(`${join(part.path, unknown)}: there is no such class in ${first.path}`);
  const missing = names.filter((name) => !own.includes(name));
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
  const files = classes.flatMap(({ name, files }) =>
    files.map((file) => [file, names.indexOf(name)] as const),
  );
  let size = options.size && { height: options.size[0], width: options.size[1] };
  let samples = new Uint8Array(0);
  for (const [i, [file]] of files.entries()) {
    signal?.throwIfAborted();
    const image = decodeImage(await readPlainFile(file, MOST_FILE_BYTES), { name: file });
    size ??= { height: image.height, width: image.width };
    if (exact && (image.height !== size.height || image.width !== size.width)) {
      throw new DataError(
        `${file}: is ${image.width}x${image.height}, images before it ${size.width}x${size.height}; ` +
          "give the `size` that all are to be resized to",
      );
    }
    const each = 3 * size.height * size.width;
    if (files.length * each > MOST_BYTES) {
      throw new DataError(
        `${root}: ${files.length} images of ${size.width}x${size.height} take more than 1 GiB; give a smaller \`size\``,
      );
    }
    if (i === 0) samples = new Uint8Array(files.length * each);
    samples.set(imageToSample(image, size), i * each);
  }
  const labels = Int32Array.from(files, ([, label]) => label);
  return { size: size ?? { height: 1, width: 1 }, samples, labels };
}

function toDataset(
  { size: { height, width }, samples, labels }: Images,
  name: string,
  split: string,
  classNames: readonly string[],
  channels: 1 | 3,
): Dataset {
  const data = channels === 1 ? toGrey(samples, height * width) : samples;
  return validateDataset({
    name,
    split,
    count: labels.length,
    inputs: { data, shape: [channels, height, width], scale: 1 / 255 },
    labels,
    classes: classNames.length,
    classNames,
  });
}
