/**
 * Boston house prices (Harrison, Rubinfeld, 1978): 506 tracts with 13 numbers each and the median price in $1000s, as
 * the StatLib text (prose, then records over two lines) or UCI's `housing.data` (one record per line).
 * One column encodes race in a way now rejected: use it as a historical regression benchmark only.
 */
import { expectFormat } from "../../validation/expect.ts";
import { type Dataset, validateDataset } from "../dataset.ts";
import { decimal, decodeText, numberLines } from "../formats/number-lines.ts";
import { type DatasetSource, readAnyOf, verifyFile } from "./dataset-source.ts";

/** The columns in order; the last one is the target. */
export const bostonColumns: readonly string[] =
  "CRIM ZN INDUS CHAS NOX RM AGE DIS RAD TAX PTRATIO B LSTAT MEDV".split(" ");
const COLUMNS = bostonColumns.length;
const FEATURES = COLUMNS - 1;
/** Numbers in the first of the two lines of a StatLib record. */
const FIRST_LINE = 11;
const CONTENT_LIMIT = 2 ** 20;

/** Parses either text. Features and target are as in the file, nothing is scaled. */
export function parseBoston(bytes: Uint8Array, name = "Boston data"): Dataset {
  const text = decodeText(bytes, name);
  const from = 1 + text.split("\n").findIndex(isRecord);
  expectFormat(from > 0, `${name}: holds no line of numbers`);
  const numbers: number[] = [];
  let [missing, last] = [0, 0];
  for (const { line, values } of numberLines(text, { name, separator: "space", from })) {
    const allowed = missing > 0 ? [missing] : [COLUMNS, FIRST_LINE];
    expectFormat(
      allowed.includes(values.length),
      `${name}: line ${line}: expected ${allowed.join(" or ")} numbers, got ${values.length}`,
    );
    numbers.push(...values);
    missing = (COLUMNS - (numbers.length % COLUMNS)) % COLUMNS;
    last = line;
  }
  expectFormat(
    missing === 0,
    `${name}: truncated, the record of line ${last} lacks its last ${missing} numbers`,
  );
  const isTarget = (_: number, i: number) => i % COLUMNS === FEATURES;
  const labels = Float32Array.from(numbers.filter(isTarget));
  const data = Float32Array.from(numbers.filter((value, i) => !isTarget(value, i)));
  return validateDataset({
    name: "boston",
    split: "all",
    count: labels.length,
    inputs: { data, shape: [FEATURES] },
    labels,
    labelShape: [1],
    columns: bostonColumns.slice(0, FEATURES),
  });
}

/** Whether a line is the first one of a record, and not prose with a number in it. */
function isRecord(line: string): boolean {
  const fields = line.trim().split(/\s+/);
  return fields.length >= 3 && fields.every((field) => decimal(field) !== undefined);
}

/** Size and hash of features, then targets, as little-endian float32: both texts hold the same numbers. */
const PUBLISHED = {
  bytes: 506 * COLUMNS * 4,
  sha256: "209f4611240a6c1ef2a04fbe5e03878e8a08992eae88046f2a4fc0f650b264aa",
};

export const bostonSource: DatasetSource<Dataset> = {
  name: "boston",
  title: "Boston house prices",
  homepage: "http://lib.stat.cmu.edu/datasets/boston",
  wanted: "boston (StatLib's text) or housing.data (UCI's)",
  files: [
    {
      name: "boston",
      bytes: 51_256,
      sha256: "1df1f5ccfcd1cb9e8f9eaa2c871bb3355eafdde755267bcd593f817b21b92a7b",
    },
  ],
  mirrors: ["https://lib.stat.cmu.edu/datasets/", "http://lib.stat.cmu.edu/datasets/"],
  async read(fetchFile, findFile) {
    const names = ["boston", "housing.data"] as const;
    const [name, content] = await readAnyOf("boston", names, CONTENT_LIMIT, fetchFile, findFile);
    const set = parseBoston(content, name);
    const numbers = Float32Array.of(...set.inputs.data, ...set.labels);
    await verifyFile(PUBLISHED, new Uint8Array(numbers.buffer), `${name}: numbers`);
    return set;
  },
};
