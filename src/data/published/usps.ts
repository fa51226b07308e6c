/**
 * USPS handwritten ZIP-code digits (LeCun et al., NIPS 1989; the files of "The Elements of Statistical Learning"):
 * 7,291 + 2,007 images of 16x16, real values from -1 (background) to 1 (ink), as lines of 257 numbers.
 * Refuses other line lengths, labels other than 0 .. 9, values outside [-1, 1], and numbers that are not the
 * published ones, however they are written or compressed.
 */
import { FormatError } from "../../common/errors.ts";
import { gunzipIfPacked } from "../archives/gzip.ts";
import { type Dataset, validateDataset } from "../dataset.ts";
import { decodeText, numberLines, wholeAt } from "../formats/number-lines.ts";
import { type DatasetSource, findAnyOf, type TrainTest, verifyFile } from "./dataset-source.ts";

const SIDE = 16;
const PIXELS = SIDE * SIDE;
/** The larger text has 14.5 MB. */
const CONTENT_LIMIT = 64 * 2 ** 20;

/** Reads the text of `zip.train` or `zip.test`: a label, then 256 pixels, row-major, in each line. */
export function parseUsps(bytes: Uint8Array, split = "all", name = "USPS data"): Dataset {
  const rows: (readonly number[])[] = [];
  for (const { line, values } of numberLines(decodeText(bytes, name), { name, separator: "space" })) {
    if (values.length !== PIXELS + 1) {
      throw new FormatError(
        `${name}: line ${line}: expected ${PIXELS + 1} numbers (label, ${SIDE}x${SIDE} pixels), got ${values.length}`,
      );
    }
    wholeAt(values[0] as number, 9, `${name}: line ${line}, label`);
    const bad = values.findIndex((value, i) => i > 0 && Math.abs(value) > 1);
    if (bad > 0) {
      throw new FormatError(
        `${name}: line ${line}, value ${bad + 1}: expected a pixel in [-1, 1], got ${values[bad]}`,
      );
    }
    rows.push(values);
  }
  if (rows.length === 0) throw new FormatError(`${name}: holds no samples`);
  const data = new Float32Array(rows.length * PIXELS);
  const labels = new Int32Array(rows.length);
  rows.forEach((values, row) => {
    labels[row] = values[0] as number;
    for (let i = 0; i < PIXELS; i++) data[row * PIXELS + i] = values[i + 1] as number;
  });
  return validateDataset({
    name: "usps",
    split,
    count: rows.length,
    inputs: { data, shape: [1, SIDE, SIDE] },
    labels,
    classes: 10,
    classNames: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
  });
}

/** Of the pixels as little-endian float32, which does not depend on how the text writes them. */
const PUBLISHED = {
  train: {
    bytes: 7291 * PIXELS * 4,
    sha256: "31fb9435110c968b4fe370f6175415b0aeb8cb454f57d8aa07239563b994c0fa",
  },
  test: {
    bytes: 2007 * PIXELS * 4,
    sha256: "abaa1cb4243192a1e02eb771acde429263376574cfa6e7831bf455659c0529a7",
  },
};

export const uspsSource: DatasetSource<TrainTest> = {
  name: "usps",
  title: "USPS handwritten digits",
  homepage: "https://hastie.su.domains/ElemStatLearn/data.html",
  wanted: "zip.train.gz and zip.test.gz",
  files: [],
  mirrors: [],
  async read(fetchFile, findFile) {
    const part = async (split: "train" | "test") => {
      const [file, bytes] = await findAnyOf([`zip.${split}.gz`, `zip.${split}`], fetchFile, findFile);
      const name = `usps/${file}`;
      const set = parseUsps(await gunzipIfPacked(bytes, { name, limit: CONTENT_LIMIT }), split, name);
      const { buffer, byteOffset, byteLength } = set.inputs.data;
      await verifyFile(PUBLISHED[split], new Uint8Array(buffer, byteOffset, byteLength), `${name}: pixels`);
      return set;
    };
    return { train: await part("train"), test: await part("test") };
  },
};
