/**
 * MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (Xiao, Rasul, Vollgraf; MIT licence): 60,000 + 10,000 grey images
 * of 28x28 in ten classes, published as four gzipped IDX files each.
 */
import { expectFormat } from "../../validation/expect.ts";
import { gunzip } from "../archives/gzip.ts";
import { memoryBytes, readBytes } from "../byte-source.ts";
import { type Dataset, DIGIT_NAMES, sampleSize, validateDataset } from "../dataset.ts";
import { idxHeaderBytes, parseIdx, parseIdxHeader } from "../formats/idx.ts";
import { BytesOnDemand, inputsOnDemand } from "../lazy-inputs.ts";
import type { DatasetSource, OpenFile, TrainTest } from "./dataset-source.ts";

/** Well above the 47 MB of the largest file's content. */
const CONTENT_LIMIT = 256 * 2 ** 20;

const FILES = {
  train: ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"],
  test: ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"],
} as const;

/** Opens one part. Images stay in their file until they are used; labels are checked by who validates the set. */
async function openPart(
  openFile: OpenFile,
  name: string,
  split: keyof typeof FILES,
  classNames: readonly string[],
): Promise<Dataset> {
  const [imageFile, labelFile] = FILES[split];
  const [images, labels] = [await openFile(imageFile), await openFile(labelFile)];
  const begin = idxHeaderBytes(3);
  const header = await readBytes(images, 0, Math.min(begin, images.size));
  const [count = 0, ...extents] = parseIdxHeader(header, images.size, 3, images.name);
  const { data } = parseIdx(labels.load(), 1, labels.name);
  expectFormat(
    data.length === count,
    `${name}: ${imageFile} holds ${count} images, ${labelFile} holds ${data.length} labels`,
  );
  const bytes = new BytesOnDemand(
    (offset, length, into) => images.read(begin + offset, length, into),
    () => parseIdx(images.load(), 3, images.name).data,
  );
  const shape = [1, ...extents];
  const inputs = inputsOnDemand(bytes, { shape, scale: 1 / 255 }, count * sampleSize(shape));
  return {
    name,
    split,
    count,
    inputs,
    labels: Int32Array.from(data),
    classes: classNames.length,
    classNames,
  };
}

/** A source whose four files have MNIST's names. `sizesAndHashes`: in the order of `FILES`. */
function idxSource(
  about: Pick<DatasetSource, "name" | "title" | "homepage" | "mirrors">,
  classNames: readonly string[],
  sizesAndHashes: readonly (readonly [bytes: number, sha256: string])[],
): DatasetSource {
  const { name } = about;
  const open = async (openFile: OpenFile): Promise<TrainTest> => ({
    train: await openPart(openFile, name, "train", classNames),
    test: await openPart(openFile, name, "test", classNames),
  });
  return {
    ...about,
    files: [...FILES.train, ...FILES.test].map((file, i) => {
      const [bytes, sha256] = sizesAndHashes[i] as readonly [number, string];
      return { name: file, bytes, sha256 };
    }),
    open,
    async read(fetchFile) {
      const { train, test } = await open(async (file) => {
        const title = `${name}/${file}`;
        return memoryBytes(title, await gunzip(await fetchFile(file), { name: title, limit: CONTENT_LIMIT }));
      });
      // The content is in memory, so copying the inputs makes them plain arrays.
      const loaded = (set: Dataset) => validateDataset({ ...set, inputs: { ...set.inputs } });
      return { train: loaded(train), test: loaded(test) };
    },
  };
}

export const mnistSource: DatasetSource = idxSource(
  {
    name: "mnist",
    title: "MNIST handwritten digits",
    homepage: "http://yann.lecun.com/exdb/mnist/",
    mirrors: [
      "https://ossci-datasets.s3.amazonaws.com/mnist/",
      "https://storage.googleapis.com/cvdf-datasets/mnist/",
      "http://yann.lecun.com/exdb/mnist/",
    ],
  },
  DIGIT_NAMES,
  [
    [9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"],
    [28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"],
    [1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"],
    [4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"],
  ],
);

export const fashionMnistSource: DatasetSource = idxSource(
  {
    name: "fashion-mnist",
    title: "Fashion-MNIST clothing articles",
    homepage: "https://github.com/zalandoresearch/fashion-mnist",
    mirrors: ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
  },
  ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
  [
    [26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"],
    [29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"],
    [4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"],
    [5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"],
  ],
);
