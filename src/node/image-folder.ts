/**
 * A folder of PNG and JPEG files as a data set: each sub-folder is a class and bears its name. With `train` and `test`
 * folders above the classes both are read. Images are decoded one at a time; only samples of the final size are kept.
 * Refuses folders without classes or images, images of different sizes unless a size is asked for, and damaged files.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { type Dataset, validateDataset } from "../data/dataset.ts";
import { type ImageSize, imageToSample, isGrey, toGrey } from "../data/image.ts";
import type { TrainTest } from "../data/source.ts";
import { DataError, ValueError } from "../errors.ts";
import { checkOptions, shown } from "../options.ts";
import { decodeImage } from "./decode-image.ts";

export interface ImageFolderOptions {
  /** [height, width] of the samples, stretched to; default: the images' own size, which must then be the same for all. */
  readonly size?: readonly [height: number, width: number];
  /** 1 for grey, 3 for red, green, blue; default: 1 if all images are grey. */
  readonly channels?: 1 | 3;
  readonly signal?: AbortSignal | undefined;
}

const IMAGE = /\.(png|jpe?g)$/i;
const TEST_NAMES = ["test", "val", "validation"];
/** Most bytes of samples: 1 GiB. */
const MOST_BYTES = 2 ** 30;

interface ClassFolder {
  readonly name: string;
  /** From the class's folder on, in order. */
  readonly files: readonly string[];
}

/** Training and test set if the folder is divided so, else one data set ("all"). */
export async function imageFolder(
  path: string,
  options: ImageFolderOptions = {},
): Promise<Dataset | TrainTest> {
  const kinds = { size: "array", channels: "any", signal: "object" } as const;
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
  const folders = await foldersIn(root);
  const held = TEST_NAMES.find((name) => folders.includes(name));
  if (!folders.includes("train") || held === undefined || folders.length !== 2) {
    const classes = await classesIn(root, folders);
    const names = classes.map(({ name }) => name);
    return toDataset(await readImages(root, classes, names, options), {
      root,
      split: "all",
      names,
      channels,
    });
  }
  const [trainRoot, testRoot] = [join(root, "train"), join(root, held)];
  const trainClasses = await classesIn(trainRoot, await foldersIn(trainRoot));
  const testClasses = await classesIn(testRoot, await foldersIn(testRoot));
  const names = trainClasses.map(({ name }) => name);
  const stranger = testClasses.find(({ name }) => !names.includes(name));
  if (stranger)
    throw new DataError(`${join(testRoot, stranger.name)}: there is no such class in ${trainRoot}`);
  const train = await readImages(trainRoot, trainClasses, names, options);
  const fixed = { ...options, size: [train.size.height, train.size.width] as const };
  // Images of a size of their own are a mistake in the test set too, unless a size is asked for.
  const test = await readImages(testRoot, testClasses, names, size ? fixed : { ...fixed, exact: true });
  const depth = channels ?? (samplesAreGrey(train) && samplesAreGrey(test) ? 1 : 3);
  return {
    train: toDataset(train, { root, split: "train", names, channels: depth }),
    test: toDataset(test, { root, split: "test", names, channels: depth }),
  };
}

async function listing(folder: string) {
  return readdir(folder, { withFileTypes: true, recursive: false }).catch((cause: NodeJS.ErrnoException) => {
    const reason =
      cause.code === "ENOENT"
        ? "there is no such folder"
        : cause.code === "ENOTDIR"
          ? "is no folder"
          : cause.message;
    throw new DataError(`${folder}: ${reason}`, { cause });
  });
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await listing(folder);
  return entries
    .flatMap((entry) => (entry.isDirectory() && !entry.name.startsWith(".") ? [entry.name] : []))
    .sort();
}

async function classesIn(root: string, folders: readonly string[]): Promise<ClassFolder[]> {
  if (folders.length === 0) {
    throw new DataError(`${root}: holds no folders; each class needs one, with its PNG and JPEG files in it`);
  }
  const classes: ClassFolder[] = [];
  for (const name of folders) {
    const files = await imagesBelow(join(root, name));
    if (files.length === 0) throw new DataError(`${join(root, name)}: holds no .png, .jpg or .jpeg files`);
    classes.push({ name, files });
  }
  return classes;
}

async function imagesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await listing(folder)) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await imagesBelow(path)));
    else if (IMAGE.test(entry.name)) files.push(path);
  }
  return files.sort();
}

interface Images {
  readonly size: ImageSize;
  /** [count, 3, height, width] */
  readonly samples: Uint8Array;
  readonly labels: Int32Array;
}

const samplesAreGrey = ({ samples, size }: Images) => isGrey(samples, size.height * size.width);

async function readImages(
  root: string,
  classes: readonly ClassFolder[],
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
      const bytes = await readFile(file).catch((cause: Error) => {
        throw new DataError(`${file}: can't be read: ${cause.message}`, { cause });
      });
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
