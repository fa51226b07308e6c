/**
 * Any CSV file as a data set: one column is the label, the others are features; types are inferred. Columns of text
 * become one column of 0 and 1 per different text ("colour=red"), columns of True and False one of 1 and 0. Left out are
 * row numbers without a name, as pandas and R write them.
 * Refuses ragged rows, cells of the wrong kind, empty cells, label columns that are not there, numbers that are not
 * plainly written (thousands, percent, dates) and numbers beyond float32; errors name line and column.
 */
import { FormatError, ValueError } from "../../common/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../../common/options.ts";
import { quote } from "../../common/printable.ts";
import { type Dataset, validateDataset } from "../dataset.ts";
import { Column } from "./column.ts";
import { textPieces } from "./decode-text.ts";
import { HEAD, type Layout, layoutOf } from "./layout.ts";
import { NumberStyle } from "./numbers.ts";
import { type CsvRecord, csvRecords, type Delimiter, guessDelimiter } from "./records.ts";

export interface CsvOptions {
  /** The label's column: its name in the header, or its number from 0; negative numbers count from the end. */
  readonly label: string | number;
  /** Whether the first line names the columns; default: as it looks, an error where that can't be told. */
  readonly header?: boolean;
  /** Default: the one of comma, semicolon, tab and bar that divides the first lines evenly. */
  readonly delimiter?: Delimiter;
  /** The decimal sign; default: a point, or a comma where all numbers have one and it does not divide the cells. */
  readonly decimal?: "." | ",";
  /**
   * What the label is. Default: "classes" for text, for codes with zeros in front (007), and for whole numbers of at
   * most 20 different values; "values" (a regression target) for all other numbers. With "classes" labels may look like dates or prices.
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

/** Whole numbers are class labels if there are at most so many different ones. */
export const MOST_NUMBER_CLASSES = 20;
/** Most numbers in a data set: 1 GiB of float32. */
const MOST_VALUES = 2 ** 28;
/** What pandas calls a column without a name when it reads it again. */
const ROW_NUMBERS = /^(?:|Unnamed: 0(?:\.\d+)?)$/;

/** Reads a CSV file. Features are float32 `[columns]`, named in `columns`; labels are class numbers or values. */
export function parseCsv(source: Uint8Array | string, options: CsvOptions): Dataset {
  const { name = "CSV data", task, label: which } = checkOptions("parseCsv", options, CSV);
  if (typeof which !== "string" && typeof which !== "number") {
    throw new ValueError(
      `${name}: label must name the label's column or number it from 0, got ${shown(which)}`,
    );
  }
  const columns = readColumns(textPieces(source, name), options, name);
  const label = columns.find((column) => column.isLabel) as Column;
  const features = columns.filter((column) => column !== label);
  if (features.length === 0)
    throw new FormatError(
      `${name}: has no column beside the label's; cells are divided by commas, semicolons, tabs or bars`,
    );

  const names = distinct(features.flatMap((column) => column.features));
  const { count } = label;
  expectRoom(count, names.length, name);
  const data = new Float32Array(count * names.length);
  let offset = 0;
  for (const column of features) {
    column.write(data, offset, names.length);
    offset += column.features.length;
  }
  return validateDataset({
    name,
    split: options.split ?? "all",
    count,
    inputs: { data, shape: [names.length] },
    columns: names,
    ...labelsOf(label, task),
  });
}

function expectRoom(rows: number, features: number, name: string): void {
  if (rows * features > MOST_VALUES) {
    throw new FormatError(
      `${name}: ${rows} rows of ${features} features are more than ${MOST_VALUES} numbers`,
    );
  }
}

/** Names that come again get a number, as pandas does it: a, a.1, a.2. */
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

function labelsOf(label: Column, task: CsvOptions["task"]) {
  const isClass = !label.isNumbers || label.isCode || label.isWhole(MOST_NUMBER_CLASSES);
  if (task === "classes" || (task === undefined && isClass)) {
    const { names, labels } = label.classes();
    return { labels, classes: names.length, classNames: names };
  }
  return { labels: label.values(), labelShape: [1] };
}

function readColumns(pieces: Generator<string>, options: CsvOptions, name: string): Column[] {
  const first = (pieces.next().value ?? "") as string;
  // Excel's way of naming the delimiter.
  const said = /^sep=([,;\t|])[\r\n]+/i.exec(first);
  const text = said ? first.slice(said[0].length) : first;
  const { delimiter = (said?.[1] as Delimiter | undefined) ?? guessDelimiter(text) } = options;
  const records = csvRecords(chained(text, pieces), delimiter, name);
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
  let rows = 0;
  const addRow = ({ line, fields }: CsvRecord) => {
    if (fields.length !== before + width + after) {
      const expected = before + width + after;
      throw new FormatError(`${name}: line ${line}: expected ${expected} columns, got ${fields.length}`);
    }
    for (const column of columns) column.add(fields[before + column.index] as string, line);
    if (after > 0 && fields.at(-1) !== "") {
      throw new FormatError(
        `${name}: line ${line}: expected nothing behind the last delimiter, as in the lines above`,
      );
    }
    expectRoom(++rows, columns.length - 1, name);
  };
  for (const record of layout.samples) addRow(record);
  for (const record of records) addRow(record);
  style.check();
  return columns;
}

function* chained(first: string, rest: Iterable<string>): Generator<string> {
  yield first;
  yield* rest;
}

function columnsOf(
  { titles, width }: Layout,
  { label, ignore = [], task }: CsvOptions,
  style: NumberStyle,
  name: string,
): Column[] {
  const find = (wanted: string | number, what: string) =>
    findColumn(wanted, width, titles, `${name}: ${what}`);
  const labelIndex = find(label, "label");
  const ignored = new Set(ignore.map((wanted) => find(wanted, "ignore")));
  if (ignored.has(labelIndex))
    throw new ValueError(`${name}: the label column ${label} is also to be ignored`);
  for (let i = 0; titles !== undefined && ROW_NUMBERS.test(titles[i] ?? "none"); i++) {
    if (i !== labelIndex) ignored.add(i);
  }
  return Array.from({ length: width }, (_, index) => index).flatMap((index) => {
    if (ignored.has(index)) return [];
    const isLabel = index === labelIndex;
    return [
      new Column({ name, index, title: titles?.[index], style, ...(isLabel ? { label: { task } } : {}) }),
    ];
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
  if (found.length > 1)
    throw new ValueError(`${where}: several columns are called ${quote(wanted)}; give its number`);
  const there = titles
    ? `there are ${titles.map(quote).join(", ")}`
    : "the file has no header; give its number";
  throw new ValueError(`${where}: there is no column ${quote(wanted)}, ${there}`);
}
