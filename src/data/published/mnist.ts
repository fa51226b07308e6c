/**
 * MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (Xiao, Rasul, Vollgraf; MIT licence): 60,000 + 10,000 grey images
 * of 28x28 in ten classes, as four gzipped IDX files each. Refuses files that disagree with each other or hold other
 * labels than 0 .. 9.
 */
import { FormatError } from "../../common/errors.ts";
import { gunzip } from "../archives/gzip.ts";
import { readBytes } from "../byte-source.ts";
import { type Dataset, sampleSize, validateDataset } from "../dataset.ts";
import { type IdxArray, idxHeaderBytes, parseIdx, parseIdxHeader } from "../formats/idx.ts";
import { BytesOnDemand, inputsOnDemand, type SampleArray } from "../lazy-inputs.ts";
import type { DatasetSource, FetchFile, OpenFile, SourceFile, TrainTest } from "./dataset-source.ts";

const CLASSES = 10;
/** Well above the 47 MB of the largest file's content. */
const CONTENT_LIMIT = 256 * 2 ** 20;

interface About {
  readonly name: string;
  readonly split: string;
  readonly classNames: readonly string[];
}

/** The names of a part's two files. */
type Files = readonly [images: string, labels: string];

/** Reads one part from a file of images and a file of labels, gzipped. */
async function readPart(fetchFile: FetchFile, about: About, files: Files): Promise<Dataset> {
  const open = async (name: string, rank: number) => {
    const title = `${about.name}/${name}`;
    const content = await gunzip(await fetchFile(name), { name: title, limit: CONTENT_LIMIT });
    return parseIdx(content, rank, title);
  };
  const images = await open(files[0], 3);
  const labels = await open(files[1], 1);
  return validateDataset(
    partOf(about, files, images.shape, labels, (form) => ({ ...form, data: images.data })),
  );
}

/** The same with images that stay in their file until someone looks at them. What is in them is checked when it is read. */
async function openPart(openFile: OpenFile, about: About, files: Files): Promise<Dataset> {
  const [images, labels] = [await openFile(files[0]), await openFile(files[1])];
  const begin = idxHeaderBytes(3);
  const shape = parseIdxHeader(await readBytes(images, 0, begin), images.size, 3, images.name);
  const bytes = new BytesOnDemand(
    (offset, length, into) => images.read(begin + offset, length, into),
    () => parseIdx(images.load(), 3, images.name).data,
  );
  const inputs = (form: Omit<SampleArray, "data">) => inputsOnDemand(bytes, form, sampleSize(shape));
  return partOf(about, files, shape, parseIdx(labels.load(), 1, labels.name), inputs);
}

function partOf(
  { name, split, classNames }: About,
  [imageFile, labelFile]: Files,
  [count = 0, rows = 0, columns = 0]: readonly number[],
  labels: IdxArray,
  inputs: (form: Omit<SampleArray, "data">) => SampleArray,
): Dataset {
  if (labels.shape[0] !== count) {
    throw new FormatError(
      `${name}: ${imageFile} holds ${count} images, ${labelFile} holds ${labels.shape[0]} labels`,
    );
  }
  return {
    name,
    split,
    count,
    inputs: inputs({ shape: [1, rows, columns], scale: 1 / 255 }),
    labels: Int32Array.from(labels.data),
    classes: CLASSES,
    classNames,
  };
}

/** A source whose four files bear MNIST's names. */
function idxSource(
  about: { name: string; title: string; homepage: string; mirrors: readonly string[] },
  classNames: readonly string[],
  sizesAndHashes: readonly (readonly [bytes: number, sha256: string])[],
): DatasetSource {
  const names = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
  ] as const;
  const files = names.map((name, i): SourceFile => {
    const [bytes = 0, sha256 = ""] = sizesAndHashes[i] ?? [];
    return { name, bytes, sha256 };
  });
  const bothParts = async (part: (set: About, parts: Files) => Promise<Dataset>): Promise<TrainTest> => {
    const set = { name: about.name, classNames };
    const train = await part({ ...set, split: "train" }, [names[0], names[1]]);
    const test = await part({ ...set, split: "test" }, [names[2], names[3]]);
    return { train, test };
  };
  return {
    ...about,
    files,
    read: (fetchFile) => bothParts((set, parts) => readPart(fetchFile, set, parts)),
    open: (openFile) => bothParts((set, parts) => openPart(openFile, set, parts)),
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
  ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
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
