/**
 * USPS handwritten ZIP-code digits (LeCun et al., NIPS 1989; the files of "The Elements of Statistical Learning"):
 * 7,291 + 2,007 images of 16x16, real values from -1 (background) to 1 (ink), as lines of a label and 256 pixels.
 */
import { FormatError } from "../../validation/errors.ts";
import { type Dataset, DIGIT_NAMES, datasetOfClasses } from "../dataset.ts";
import { decodeText, numberLines, wholeAt } from "../formats/number-lines.ts";
import { type DatasetSource, readAnyOf, type TrainTest, verifyFile } from "./dataset-source.ts";

const SIDE = 16;
const PIXELS = SIDE * SIDE;
/** The larger text has 14.5 MB. */
const CONTENT_LIMIT = 64 * 2 ** 20;

/** Parses the text of `zip.train` or `zip.test`: a label, then 256 pixels, row-major, in each line. */
export function parseUsps(bytes: Uint8Array, split = "all", name = "USPS data"): Dataset {
  const pixels: number[] = [];
  const labels: number[] = [];
  const row = { length: PIXELS + 1, meaning: `label, ${SIDE}x${SIDE} pixels` };
  for (const { line, values } of numberLines(decodeText(bytes, name), { name, separator: "space", ...row })) {
    values.forEach((value, i) => {
      if (i === 0) labels.push(wholeAt(value, 9, `${name}: line ${line}, label`));
      else if (Math.abs(value) <= 1) pixels.push(value);
      else {
        throw new FormatError(
          `${name}: line ${line}, value ${i + 1}: expected a pixel in [-1, 1], got ${value}`,
        );
      }
    });
  }
  const inputs = { data: Float32Array.from(pixels), shape: [1, SIDE, SIDE] };
  return datasetOfClasses({ name: "usps", split }, inputs, labels, DIGIT_NAMES, name);
}

/** Size and hash of the pixels as little-endian float32, which do not depend on how the text writes the numbers. */
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
      const names = [`zip.${split}.gz`, `zip.${split}`] as const;
      const [name, content] = await readAnyOf("usps", names, CONTENT_LIMIT, fetchFile, findFile);
      const set = parseUsps(content, split, name);
      const { buffer, byteOffset, byteLength } = set.inputs.data;
      await verifyFile(PUBLISHED[split], new Uint8Array(buffer, byteOffset, byteLength), `${name}: pixels`);
      return set;
    };
    return { train: await part("train"), test: await part("test") };
  },
};
