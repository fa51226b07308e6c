/**
 * Reads any CSV file as a data set: one column is the label, the others are features whose types are inferred. Columns of
 * text become one column of 0 and 1 per different text ("colour=red"), columns of True and False one of 1 and 0. Columns of
 * row numbers without a name, as pandas and R write them, are left out.
 * Throws FormatError, naming line and column, on anything that could be read in two ways or not at all.
 */

import { FormatError, ValueError } from "../../validation/errors.ts";
import { expectFormat, expectValue } from "../../validation/expect.ts";
import { checkOptions, type OptionKinds, shown } from "../../validation/options.ts";
import { quote } from "../../validation/printable.ts";
import { type Dataset, validateDataset } from "../dataset.ts";
import { Column } from "./column.ts";
import { textPieces } from "./decode-text.ts";
import { HEAD, type Layout, layoutOf } from "./layout.ts";
import { NumberStyle } from "./numbers.ts";
import { type CsvRecord, csvRecords, type Delimiter, guessDelimiter } from "./records.ts";

export interface CsvOptions {
  /** The label's column: its name in the header, or its number from 0; negative numbers count from the end. */
  readonly label: string | number;
  /** Whether the first line names the columns; default: inferred, an error where that is unclear. */
  readonly header?: boolean;
  /** Default: the one of comma, semicolon, tab and bar that divides the first lines evenly. */
  readonly delimiter?: Delimiter;
  /** The decimal sign; default: a point, or a comma where all numbers have one and it does not divide the cells. */
  readonly decimal?: "." | ",";
  /**
   * What the label is. Default: "classes" for text, for identifiers with zeros in front (007), and for whole numbers of at
   * most 20 different values; "values" (a regression target) for all other numbers. With "classes" labels may look like
   * dates or prices.
   */
  readonly task?: "classes" | "values";
  /** Columns to leave out, by name or number. */
  readonly ignore?: readonly (string | number)[];
  /** Name of the data set, also named in errors; default "CSV data". */
  readonly name?: string;
  /** Default "all". */
  readonly split?: string;
}

export const CSV = {
  label: "any",
  header: "boolean",
  delimiter: [",", ";", "\t", "|"],
  decimal: [".", ","],
  task: ["classes", "values"],
  ignore: "array",
  name: "string",
  split: "string",
} as const satisfies OptionKinds<CsvOptions>;

/** Whole numbers with at most this many different values are class labels unless the caller says otherwise. */
export const MOST_NUMBER_CLASSES = 20;
/** Most numbers in a data set: 1 GiB of float32. */
const MOST_VALUES = 2 ** 28;
/** What pandas calls a column without a name when it reads it again. */
const ROW_NUMBERS = /^(?:|Unnamed: 0(?:\.\d+)?)$/;

/** Parses a CSV file. Features are float32 `[columns]`, named in `columns`; labels are class numbers or values. */
export function parseCsv(source: Uint8Array | string, options: CsvOptions): Dataset {
  const { name = "CSV data", split = "all", task, label: which } = checkOptions("parseCsv", options, CSV);
  expectValue(
    typeof which === "string" || typeof which === "number",
    `${name}: label must name the label's column or number it from 0, got ${shown(which)}`,
  );
  const columns = readColumns(textPieces(source, name), options, name);
  const label = columns.find((column) => column.isLabel) as Column;
  const features = columns.filter((column) => column !== label);
  expectFormat(
    features.length > 0,
    `${name}: has no column besides the label's; cells are divided by commas, semicolons, tabs or bars`,
  );
  const names = distinct(features.flatMap((column) => column.features));
  const { count } = label;
  checkSize(count, names.length, name);
  const data = new Float32Array(count * names.length);
  let offset = 0;
  for (const column of features) {
    column.write(data, offset, names.length);
    offset += column.features.length;
  }
  const inputs = { data, shape: [names.length] };
  const isClass = !label.isNumbers || label.isIdentifier || label.isWhole(MOST_NUMBER_CLASSES);
  if ((task ?? (isClass ? "classes" : "values")) === "values") {
    const labels = label.values();
    return validateDataset({ name, split, count, inputs, columns: names, labels, labelShape: [1] });
  }
  const { names: classNames, labels } = label.classes();
  const classes = classNames.length;
  return validateDataset({ name, split, count, inputs, columns: names, labels, classes, classNames });
}

function checkSize(rows: number, features: number, name: string): void {
  if (rows * features <= MOST_VALUES) return;
  throw new FormatError(`${name}: ${rows} rows of ${features} features are more than ${MOST_VALUES} numbers`);
}

/** Numbers names that occur again, as pandas does: a, a.1, a.2. */
function distinct(names: readonly string[]): string[] {
  const taken = new Set(names);
  const seen = new Set<string>();
  return names.map((name) => {
    let own = name;
    for (let i = 1; seen.has(own) || (own !== name && taken.has(own)); i++) own = `${name}.${i}`;
    seen.add(own);
    return own;
  });
}

function readColumns(pieces: Generator<string>, options: CsvOptions, name: string): Column[] {
  const first = (pieces.next().value ?? "") as string;
  // Excel declares the delimiter in a line of its own.
  const declared = /^sep=([,;\t|])[\r\n]+/i.exec(first);
  const text = declared ? first.slice(declared[0].length) : first;
  const { delimiter = (declared?.[1] as Delimiter | undefined) ?? guessDelimiter(text) } = options;
  const records = csvRecords(chained([text], pieces), delimiter, name);
  const head: CsvRecord[] = [];
  let isComplete = false;
  while (head.length < HEAD && !isComplete) {
    const { done, value } = records.next();
    if (done) isComplete = true;
    else head.push(value);
  }
  const layout = layoutOf(head, isComplete, options.header, name);
  const style = new NumberStyle(options.decimal, delimiter);
  const columns = columnsOf(layout, options, style, name);
  const { width, before, after } = layout;
  const expected = before + width + after;
  let rows = 0;
  for (const { line, fields } of chained(layout.samples, records)) {
    if (fields.length !== expected)
      throw new FormatError(`${name}: line ${line}: expected ${expected} columns, got ${fields.length}`);
    for (const column of columns) column.add(fields[before + column.index] as string, line);
    if (after > 0 && fields.at(-1) !== "") {
      throw new FormatError(
        `${name}: line ${line}: expected nothing after the last delimiter, as in the lines above`,
      );
    }
    checkSize(++rows, columns.length - 1, name);
  }
  style.check();
  return columns;
}

function* chained<T>(first: readonly T[], rest: Iterable<T>): Generator<T> {
  yield* first;
  yield* rest;
}

function columnsOf(
  { titles, width }: Layout,
  { label, ignore = [], task }: CsvOptions,
  style: NumberStyle,
  name: string,
): Column[] {
  const find = (wanted: string | number, option: string) =>
    findColumn(wanted, width, titles, `${name}: ${option}`);
  const labelIndex = find(label, "label");
  const ignored = new Set(ignore.map((wanted) => find(wanted, "ignore")));
  expectValue(!ignored.has(labelIndex), `${name}: the label column ${label} is also to be ignored`);
  for (let i = 0; titles !== undefined && ROW_NUMBERS.test(titles[i] ?? "none"); i++) {
    if (i !== labelIndex) ignored.add(i);
  }
  const indices = Array.from({ length: width }, (_, index) => index).filter((index) => !ignored.has(index));
  return indices.map((index) => {
    const role = index === labelIndex ? { label: { task } } : {};
    return new Column({ name, index, title: titles?.[index], style, ...role });
  });
}

function findColumn(
  wanted: string | number,
  count: number,
  titles: readonly string[] | undefined,
  where: string,
): number {
  if (typeof wanted === "number") {
    const index = wanted < 0 ? count + wanted : wanted;
    if (Number.isInteger(index) && index >= 0 && index < count) return index;
    throw new ValueError(`${where}: there is no column ${wanted}, the file has ${count} (0 .. ${count - 1})`);
  }
  const found = titles?.flatMap((title, index) => (title === wanted ? [index] : [])) ?? [];
  if (found.length === 1) return found[0] as number;
  const existing = titles
    ? `there are ${titles.map(quote).join(", ")}`
    : "the file has no header; give its number";
  throw new ValueError(
    found.length > 1
      ? `${where}: several columns are called ${quote(wanted)}; give its number`
      : `${where}: there is no column ${quote(wanted)}, ${existing}`,
  );
}
