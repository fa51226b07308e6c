/**
 * CIFAR-10 (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009): 50,000 + 10,000 colour
 * photographs of 32x32 in ten classes. Reads the published `cifar-10-binary.tar.gz`, or its batches as separate files,
 * plain or gzipped; with fewer than five training batches the training set is smaller, and its note says so.
 */
import { DataError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { gunzipIfPacked } from "../archives/gzip.ts";
import { parseTar } from "../archives/tar.ts";
import { type Dataset, datasetOfClasses } from "../dataset.ts";
import { decodeText } from "../formats/number-lines.ts";
import {
  type DatasetSource,
  type FindFile,
  type Published,
  type TrainTest,
  verifyFile,
} from "./dataset-source.ts";

const SHAPE = [3, 32, 32] as const;
const PIXELS = 3 * 32 * 32;
/** Bytes of one sample in a batch: its label, then its pixels. */
export const CIFAR_RECORD = 1 + PIXELS;
const FOLDER = "cifar-10-batches-bin";
const ARCHIVE = "cifar-10-binary.tar.gz";
const CLASS_NAMES_FILE = "batches.meta.txt";
const TRAIN_BATCHES = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
const TEST_BATCH = "test_batch.bin";
const BATCH_LIMIT = 64 * 2 ** 20;
/** The archive's content has 184 MB. */
const ARCHIVE_LIMIT = 512 * 2 ** 20;
const CLASS_NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");

export interface CifarBatch {
  readonly count: number;
  /** [count, 3, 32, 32], copied. */
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/** Parses a batch: records of a label byte, then 1,024 red, green and blue bytes, each plane row-major. */
export function parseCifarBatch(bytes: Uint8Array, name = "CIFAR-10 batch"): CifarBatch {
  const count = Math.floor(bytes.length / CIFAR_RECORD);
  expectFormat(
    count > 0 && bytes.length % CIFAR_RECORD === 0,
    `${name}: expected whole records of ${CIFAR_RECORD} bytes, got ${bytes.length} bytes, ` +
      `which is ${count} records and ${bytes.length % CIFAR_RECORD} bytes`,
  );
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const at = i * CIFAR_RECORD;
    const label = bytes[at] as number;
    expectFormat(label < 10, `${name}: record ${i}, byte ${at}: expected a label from 0 to 9, got ${label}`);
    labels[i] = label;
    images.set(bytes.subarray(at + 1, at + CIFAR_RECORD), i * PIXELS);
  }
  return { count, images, labels };
}

/** Parses the class names, one per line. */
export function parseCifarNames(bytes: Uint8Array, name = CLASS_NAMES_FILE): string[] {
  const names = decodeText(bytes, name)
    .trimEnd()
    .split("\n")
    .map((line) => line.trim());
  expectFormat(
    names.length === 10 && !names.includes(""),
    `${name}: expected 10 class names, one a line, got ${names.length} lines`,
  );
  return names;
}

function datasetOf(batches: readonly CifarBatch[], split: string, classNames: readonly string[]): Dataset {
  const data = new Uint8Array(batches.reduce((sum, { images }) => sum + images.length, 0));
  const labels: number[] = [];
  for (const batch of batches) {
    data.set(batch.images, labels.length * PIXELS);
    for (const label of batch.labels) labels.push(label);
  }
  const inputs = { data, shape: SHAPE, scale: 1 / 255 };
  return datasetOfClasses({ name: "cifar10", split }, inputs, labels, classNames);
}

/** Finds an unpacked file of the binary version by its name; returns it with its full name for errors. */
type FindMember = (file: string) => Promise<readonly [name: string, bytes: Uint8Array] | undefined>;

function membersOfArchive(bytes: Uint8Array, name: string): FindMember {
  const files = parseTar(bytes, name);
  return async (file) => {
    const content = files.get(`${FOLDER}/${file}`) ?? files.get(`./${FOLDER}/${file}`) ?? files.get(file);
    return content && [`${name}/${file}`, content];
  };
}

function membersOfFolder(findFile: FindFile): FindMember {
  return async (file) => {
    for (const path of [file, `${file}.gz`, `${FOLDER}/${file}`]) {
      const bytes = await findFile(path);
      const name = `cifar10/${path}`;
      if (bytes) return [name, await gunzipIfPacked(bytes, { name, limit: BATCH_LIMIT })];
    }
    return undefined;
  };
}

async function readParts(
  find: FindMember,
  published: Readonly<Record<string, Published>>,
): Promise<TrainTest | undefined> {
  const read = async (file: string): Promise<CifarBatch[]> => {
    const [name, bytes] = (await find(file)) ?? [];
    if (name === undefined || bytes === undefined) return [];
    const batch = parseCifarBatch(bytes, name);
    const expected = published[file];
    if (expected) await verifyFile(expected, bytes, `${name}: content`);
    return [batch];
  };
  const held = await read(TEST_BATCH);
  const train: CifarBatch[] = [];
  const numbers: number[] = [];
  for (const [i, file] of TRAIN_BATCHES.entries()) {
    const found = await read(file);
    train.push(...found);
    if (found.length > 0) numbers.push(i + 1);
  }
  if (held.length === 0 && train.length === 0) return undefined;
  if (held.length === 0 || train.length === 0) {
    const missing = held.length === 0 ? TEST_BATCH : `${TRAIN_BATCHES[0]} or another batch to train on`;
    throw new DataError(`cifar10: there is no ${missing} (or .gz) beside the batches that are there`);
  }
  const [namesFile, names] = (await find(CLASS_NAMES_FILE)) ?? [];
  const classNames = names ? parseCifarNames(names, namesFile) : CLASS_NAMES;
  const parts = { train: datasetOf(train, "train", classNames), test: datasetOf(held, "test", classNames) };
  if (train.length === TRAIN_BATCHES.length) return parts;
  const counts = `${parts.train.count.toLocaleString("en-US")} of 50,000 training images`;
  const batches = `${numbers.length === 1 ? "batch" : "batches"} ${numbers.join(", ")} of ${TRAIN_BATCHES.length}`;
  return { ...parts, note: `${counts}: ${batches}` };
}

/** The source for files with these contents; the published ones are `cifar10Source`. */
export function cifar10SourceOf(published: Readonly<Record<string, Published>>): DatasetSource {
  return {
    name: "cifar10",
    title: "CIFAR-10 photographs",
    homepage: "https://www.cs.toronto.edu/~kriz/cifar.html",
    wanted: `${ARCHIVE}, or ${TEST_BATCH} and some of ${TRAIN_BATCHES[0]} .. ${TRAIN_BATCHES.at(-1)}, plain or gzipped,`,
    files: [
      {
        name: ARCHIVE,
        bytes: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
      },
    ],
    mirrors: ["https://www.cs.toronto.edu/~kriz/"],
    async read(fetchFile, findFile) {
      let archive = await findFile?.(ARCHIVE);
      const separate =
        archive || !findFile ? undefined : await readParts(membersOfFolder(findFile), published);
      if (separate) return separate;
      archive ??= await fetchFile(ARCHIVE);
      const name = `cifar10/${ARCHIVE}`;
      const content = await gunzipIfPacked(archive, { name, limit: ARCHIVE_LIMIT });
      const parts = await readParts(membersOfArchive(content, name), published);
      expectFormat(parts, `${name}: holds no ${TEST_BATCH} and no ${TRAIN_BATCHES[0]}`);
      return parts;
    },
  };
}

const HASHES = [
  ["data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"],
  ["data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"],
  ["data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"],
  ["data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"],
  ["data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"],
  ["test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"],
] as const;

export const cifar10Source = cifar10SourceOf(
  Object.fromEntries(HASHES.map(([file, sha256]) => [file, { bytes: 30_730_000, sha256 }])),
);
