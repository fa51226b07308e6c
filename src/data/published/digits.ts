/**
 * Handwritten digits of 8x8 pixels (Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI, CC BY 4.0). This
 * is the test part, which is also scikit-learn's `load_digits`: 1,797 lines of 64 pixels 0 .. 16 and the label.
 */
import { type Dataset, DIGIT_NAMES, datasetOfClasses } from "../dataset.ts";
import { decodeText, numberLines, wholeAt } from "../formats/number-lines.ts";
import { type DatasetSource, readAnyOf, verifyFile } from "./dataset-source.ts";

const PIXELS = 64;
const DARKEST = 16;
/** The published text has 0.26 MB. */
const CONTENT_LIMIT = 16 * 2 ** 20;

/** Parses lines of 64 pixels, row-major, and the label, separated by commas. The network sees pixels / 16. */
export function parseDigits(bytes: Uint8Array, name = "digits data"): Dataset {
  const pixels: number[] = [];
  const labels: number[] = [];
  const row = { length: PIXELS + 1, meaning: "8x8 pixels, label" };
  for (const { line, values } of numberLines(decodeText(bytes, name), { name, separator: "comma", ...row })) {
    values.forEach((value, i) => {
      if (i < PIXELS) pixels.push(wholeAt(value, DARKEST, `${name}: line ${line}, value ${i + 1}`));
      else labels.push(wholeAt(value, 9, `${name}: line ${line}, label`));
    });
  }
  const inputs = { data: Uint8Array.from(pixels), shape: [1, 8, 8], scale: 1 / DARKEST };
  return datasetOfClasses({ name: "digits", split: "all" }, inputs, labels, DIGIT_NAMES, name);
}

const PUBLISHED = {
  bytes: 264_712,
  sha256: "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
};

export const digitsSource: DatasetSource<Dataset> = {
  name: "digits",
  title: "UCI handwritten digits, 8x8",
  homepage: "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
  wanted: "optdigits.tes or digits.csv.gz",
  files: [{ name: "optdigits.tes", ...PUBLISHED }],
  mirrors: ["https://archive.ics.uci.edu/ml/machine-learning-databases/optdigits/"],
  async read(fetchFile, findFile) {
    const names = ["optdigits.tes", "digits.csv.gz", "digits.csv"] as const;
    const [name, content] = await readAnyOf("digits", names, CONTENT_LIMIT, fetchFile, findFile);
    const set = parseDigits(content, name);
    await verifyFile(PUBLISHED, content, `${name}: content`);
    return set;
  },
};
