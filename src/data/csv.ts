/**
 * Any CSV file as a data set: one column is the label, the others are features; types are inferred. Columns of text
 * become one column of 0 and 1 per different text ("colour=red").
 * Refuses ragged rows, cells of the wrong kind, empty cells, label columns that are not there and numbers beyond
 * float32; errors name line and column.
 */
import { FormatError, ValueError } from "../errors.ts";
import { Column } from "./csv-columns.ts";
import { csvRecords, type Delimiter, guessDelimiter } from "./csv-records.ts";
import { type Dataset, validateDataset } from "./dataset.ts";
import { decimal, decodeText, quote } from "./number-lines.ts";

export interface CsvOptions {
  /** The label's column: its name in the header, or its number from 0; negative numbers count from the end. */
  readonly label: string | number;
  /** Whether the first line names the columns; default: whether no cell of it is a number. */
  readonly header?: boolean;
  /** Default: the commonest of comma, semicolon and tab in the first line. */
  readonly delimiter?: Delimiter;
  /**
   * What the label is. Default: "classes" for text, and for whole numbers of at most 20 different values; "values" (a
   * regression target) for all other numbers.
   */
  readonly task?: "classes" | "values";
  /** Columns to leave out, by name or number. */
  readonly ignore?: readonly (string | number)[];
  /** Name of the data set, also named in errors; default "CSV data". */
  readonly name?: string;
  /** Default "all". */
  readonly split?: string;
}

/** Whole numbers are class labels if there are at most so many different ones. */
const MOST_NUMBER_CLASSES = 20;
/** Most numbers in a data set: 1 GiB of float32. */
const MOST_VALUES = 2 ** 28;

/** Reads a CSV file. Features are float32 `[columns]`, named in `columns`; labels are class numbers or values. */
export function parseCsv(source: Uint8Array | string, options: CsvOptions): Dataset {
  const { name = "CSV data", task } = options;
  const text = typeof source === "string" ? source : decodeText(source, name);
  const columns = readColumns(text, options, name);
  const label = columns.find((column) => column.isLabel) as Column;
  const features = columns.filter((column) => column !== label);
  if (features.length === 0) throw new FormatError(`${name}: has no column beside the label's`);

  const names = features.flatMap((column) => column.features);
  const { labels: codes } = label.classes();
  const count = codes.length;
  if (count * names.length > MOST_VALUES) {
    throw new FormatError(
      `${name}: ${count} rows of ${names.length} features are more than ${MOST_VALUES} numbers`,
    );
  }
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
    ...labelsOf(label, task, name),
  });
}

function labelsOf(label: Column, task: CsvOptions["task"], name: string) {
  const { numbers } = label;
  const title = label.title ?? `column ${label.index + 1}`;
  const isClass =
    numbers === undefined || (numbers.every(Number.isSafeInteger) && label.different <= MOST_NUMBER_CLASSES);
  if (task === "classes" || (task === undefined && isClass)) {
    const { names, labels } = label.classes();
    return { labels, classes: names.length, classNames: names };
  }
  if (numbers === undefined) {
    throw new FormatError(`${name}: the label ${quote(title)} holds text, which can't be a target value`);
  }
  return { labels: Float32Array.from(numbers), labelShape: [1] };
}

function readColumns(text: string, options: CsvOptions, name: string): Column[] {
  const { delimiter = guessDelimiter(text), label, ignore = [] } = options;
  const records = csvRecords(text, delimiter, name);
  const first = records.next();
  if (first.done) throw new FormatError(`${name}: holds no lines`);
  const { fields } = first.value;
  const { header = fields.every((field) => decimal(field) === undefined) } = options;
  const titles = header ? fields : undefined;
  const find = (wanted: string | number, what: string) =>
    findColumn(wanted, fields.length, titles, `${name}: ${what}`);
  const labelIndex = find(label, "label");
  const ignored = new Set(ignore.map((wanted) => find(wanted, "ignore")));
  if (ignored.has(labelIndex))
    throw new ValueError(`${name}: the label column ${label} is also to be ignored`);
  const columns = fields.flatMap((_, index) =>
    ignored.has(index) ? [] : [new Column(name, index, titles?.[index], index === labelIndex)],
  );

  const addRow = ({ line, fields: cells }: { line: number; fields: readonly string[] }) => {
    if (cells.length !== fields.length) {
      throw new FormatError(`${name}: line ${line}: expected ${fields.length} columns, got ${cells.length}`);
    }
    for (const column of columns) column.add({ text: cells[column.index] as string, line });
  };
  if (!header) addRow(first.value);
  let rows = header ? 0 : 1;
  for (const record of records) {
    addRow(record);
    rows++;
  }
  if (rows === 0) throw new FormatError(`${name}: holds a header and no rows`);
  return columns;
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
