/**
 * CIFAR-10 (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009): 50,000 + 10,000 colour
 * photographs of 32x32 in ten classes. Reads the published `cifar-10-binary.tar.gz`, or single batches of it, plain or
 * gzipped; with fewer than five of them the training set is as much smaller, and the note says so.
 * Refuses batches that are not whole records, labels other than 0 .. 9, and contents that are not the published ones.
 */
import { DataError, FormatError } from "../../common/errors.ts";
import { gunzipIfPacked, isGzip } from "../archives/gzip.ts";
import { parseTar } from "../archives/tar.ts";
import { type Dataset, validateDataset } from "../dataset.ts";
import { decodeText } from "../formats/number-lines.ts";
import { type DatasetSource, type FindFile, type TrainTest, verifyFile } from "./dataset-source.ts";

const SHAPE = [3, 32, 32] as const;
const PIXELS = 3 * 32 * 32;
const RECORD = 1 + PIXELS;
const CLASSES = 10;
const FOLDER = "cifar-10-batches-bin";
const ARCHIVE = "cifar-10-binary.tar.gz";
const META = "batches.meta.txt";
const TRAIN_BATCHES = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
const TEST_BATCH = "test_batch.bin";
const BATCH_LIMIT = 64 * 2 ** 20;
/** The archive's content has 184 MB. */
const ARCHIVE_LIMIT = 512 * 2 ** 20;

const CLASS_NAMES = [
  ...["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
];

export interface CifarBatch {
  readonly count: number;
  /** [count, 3, 32, 32], copied. */
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/** Reads a batch: records of a label byte, then 1,024 red, green and blue bytes, each plane row-major. */
export function parseCifarBatch(bytes: Uint8Array, name = "CIFAR-10 batch"): CifarBatch {
  const count = Math.floor(bytes.length / RECORD);
  if (count === 0 || bytes.length % RECORD !== 0) {
    throw new FormatError(
      `${name}: expected whole records of ${RECORD} bytes, got ${bytes.length} bytes, ` +
        `which is ${count} records and ${bytes.length % RECORD} bytes`,
    );
  }
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const at = i * RECORD;
    const label = bytes[at] as number;
    if (label >= CLASSES) {
      throw new FormatError(`${name}: record ${i}, byte ${at}: expected a label from 0 to 9, got ${label}`);
    }
    labels[i] = label;
    images.set(bytes.subarray(at + 1, at + RECORD), i * PIXELS);
  }
  return { count, images, labels };
}

/** Class names, one a line, blank lines at the end left out. */
export function parseCifarNames(bytes: Uint8Array, name = META): string[] {
  const names = decodeText(bytes, name)
    .split(/\r?\n/)
    .map((line) => line.trim());
  while (names.at(-1) === "") names.pop();
  if (names.length !== CLASSES || names.includes("")) {
    throw new FormatError(`${name}: expected ${CLASSES} class names, one a line, got ${names.length} lines`);
  }
  return names;
}

function datasetOf(batches: readonly CifarBatch[], split: string, classNames: readonly string[]): Dataset {
  const count = batches.reduce((sum, batch) => sum + batch.count, 0);
  const data = new Uint8Array(count * PIXELS);
  const labels = new Int32Array(count);
  let at = 0;
  for (const batch of batches) {
    data.set(batch.images, at * PIXELS);
    labels.set(batch.labels, at);
    at += batch.count;
  }
  return validateDataset({
    name: "cifar10",
    split,
    count,
    inputs: { data, shape: SHAPE, scale: 1 / 255 },
    labels,
    classes: CLASSES,
    classNames,
  });
}

/** Where the files of the binary version are found: by name, unpacked, with the name to use in errors. */
type Members = (file: string) => Promise<[name: string, bytes: Uint8Array] | undefined>;

function membersOfArchive(bytes: Uint8Array, name: string): Members {
  const files = parseTar(bytes, name);
  return async (file) => {
    const content = files.get(`${FOLDER}/${file}`) ?? files.get(`./${FOLDER}/${file}`) ?? files.get(file);
    return content && [`${name}/${file}`, content];
  };
}

function membersOfFolder(findFile: FindFile): Members {
  return async (file) => {
    for (const place of [file, `${file}.gz`, `${FOLDER}/${file}`]) {
      const bytes = await findFile(place);
      if (!bytes) continue;
      const name = `cifar10/${place}`;
      return [name, isGzip(bytes) ? await gunzipIfPacked(bytes, { name, limit: BATCH_LIMIT }) : bytes];
    }
    return undefined;
  };
}

type Published = Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;

async function readParts(members: Members, published: Published): Promise<TrainTest | undefined> {
  const read = async (file: string): Promise<CifarBatch | undefined> => {
    const found = await members(file);
    if (!found) return undefined;
    const [name, bytes] = found;
    const batch = parseCifarBatch(bytes, name);
    const expected = published[file];
    if (expected) await verifyFile(expected, bytes, `${name}: content`);
    return batch;
  };
  const held = await read(TEST_BATCH);
  const train: CifarBatch[] = [];
  const there: string[] = [];
  for (const file of TRAIN_BATCHES) {
    const batch = await read(file);
    if (!batch) continue;
    train.push(batch);
    there.push((/\d/.exec(file) as RegExpExecArray)[0]);
  }
  if (!held && train.length === 0) return undefined;
  if (!held || train.length === 0) {
    const lacking = held ? `${TRAIN_BATCHES[0]} or another batch to train on` : TEST_BATCH;
    throw new DataError(`cifar10: there is no ${lacking} (or .gz) beside the batches that are there`);
  }
  const names = await members(META);
  const classNames = names ? parseCifarNames(names[1], names[0]) : CLASS_NAMES;
  const parts = { train: datasetOf(train, "train", classNames), test: datasetOf([held], "test", classNames) };
  if (train.length === TRAIN_BATCHES.length) return parts;
  const counts = `${parts.train.count.toLocaleString("en-US")} of 50,000 training images`;
  const batches = `${there.length === 1 ? "batch" : "batches"} ${there.join(", ")} of ${TRAIN_BATCHES.length}`;
  return { ...parts, note: `${counts}: ${batches}` };
}

/** The source for files with these contents; the published ones are `cifar10Source`. */
export function cifar10SourceOf(published: Published): DatasetSource {
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
      if (!archive && findFile) {
        const parts = await readParts(membersOfFolder(findFile), published);
        if (parts) return parts;
      }
      archive ??= await fetchFile(ARCHIVE);
      const name = `cifar10/${ARCHIVE}`;
      const content = await gunzipIfPacked(archive, { name, limit: ARCHIVE_LIMIT });
      const parts = await readParts(membersOfArchive(content, name), published);
      if (!parts) throw new FormatError(`${name}: holds no ${TEST_BATCH} and no ${TRAIN_BATCHES[0]}`);
      return parts;
    },
  };
}

export const cifar10Source = cifar10SourceOf(
  Object.fromEntries(
    [
      ["data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"],
      ["data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"],
      ["data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"],
      ["data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"],
      ["data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"],
      ["test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"],
    ].map(([file = "", sha256 = ""]) => [file, { bytes: 30_730_000, sha256 }]),
  ),
);
