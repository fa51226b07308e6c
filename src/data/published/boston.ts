/**
 * Boston house prices (Harrison, Rubinfeld, 1978): 506 tracts, 13 numbers each and the median price in $1000s, as the
 * StatLib text (records over two lines, prose before them) or UCI's `housing.data` (one record a line).
 * One column encodes race in a way now rejected: a historical benchmark for regression and nothing else.
 * Refuses records of other lengths and numbers that are not the published ones.
 */
import { FormatError } from "../../common/errors.ts";
import { gunzipIfPacked } from "../archives/gzip.ts";
import { type Dataset, validateDataset } from "../dataset.ts";
import { decimal, decodeText, numberLines } from "../formats/number-lines.ts";
import { type DatasetSource, findAnyOf, verifyFile } from "./dataset-source.ts";

/** The columns in order; the last one is the target. */
export const bostonColumns: readonly string[] = [
  ...[
    "CRIM",
    "ZN",
    "INDUS",
    "CHAS",
    "NOX",
    "RM",
    "AGE",
    "DIS",
    "RAD",
    "TAX",
    "PTRATIO",
    "B",
    "LSTAT",
    "MEDV",
  ],
];
const COLUMNS = bostonColumns.length;
const FEATURES = COLUMNS - 1;
/** How StatLib breaks a record. */
const FIRST_LINE = 11;
const CONTENT_LIMIT = 2 ** 20;

/** Reads either text; features and target are as in the file, nothing is scaled. */
export function parseBoston(bytes: Uint8Array, name = "Boston data"): Dataset {
  const text = decodeText(bytes, name);
  const from = 1 + text.split("\n").findIndex((line) => isNumbers(line));
  if (from === 0) throw new FormatError(`${name}: holds no line of numbers`);
  const records: number[] = [];
  let open = 0;
  let last = 0;
  for (const { line, values } of numberLines(text, { name, separator: "space", from })) {
    const expected = open > 0 ? COLUMNS - open : undefined;
    const fits = expected
      ? values.length === expected
      : values.length === COLUMNS || values.length === FIRST_LINE;
    if (!fits) {
      throw new FormatError(
        `${name}: line ${line}: expected ${expected ?? `${COLUMNS} or ${FIRST_LINE}`} numbers, got ${values.length}`,
      );
    }
    for (const value of values) records.push(value);
    open = records.length % COLUMNS;
    last = line;
  }
  if (open > 0) {
    throw new FormatError(
      `${name}: truncated, the record of line ${last} lacks its last ${COLUMNS - open} numbers`,
    );
  }
  const count = records.length / COLUMNS;
  const data = new Float32Array(count * FEATURES);
  const labels = new Float32Array(count);
  records.forEach((value, i) => {
    const row = Math.floor(i / COLUMNS);
    const column = i % COLUMNS;
    if (column === FEATURES) labels[row] = value;
    else data[row * FEATURES + column] = value;
  });
  return validateDataset({
    name: "boston",
    split: "all",
    count,
    inputs: { data, shape: [FEATURES] },
    labels,
    labelShape: [1],
    columns: bostonColumns.slice(0, FEATURES),
  });
}

function isNumbers(line: string): boolean {
  const fields = line.trim().split(/\s+/);
  return fields.length >= 3 && fields.every((field) => decimal(field) !== undefined);
}

/** Of the features, then the targets, as little-endian float32: both texts hold the same numbers. */
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
    const [file, bytes] = await findAnyOf(["boston", "housing.data"], fetchFile, findFile);
    const name = `boston/${file}`;
    const set = parseBoston(await gunzipIfPacked(bytes, { name, limit: CONTENT_LIMIT }), name);
    const numbers = new Float32Array(set.count * COLUMNS);
    numbers.set(set.inputs.data);
    numbers.set(set.labels, set.count * FEATURES);
    await verifyFile(PUBLISHED, new Uint8Array(numbers.buffer), `${name}: numbers`);
    return set;
  },
};
