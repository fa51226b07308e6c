/**
 * What stands around the samples of a table: a header or none, comment lines, row names as R writes them, delimiters at
 * the ends of lines. Decided by the first records. Refuses first lines that may be names or a sample.
 */
import { FormatError } from "../../common/errors.ts";
import { quote } from "../../common/printable.ts";
import { isNumeric, MISSING } from "./numbers.ts";
import type { CsvRecord } from "./records.ts";

/** How many records are looked at. */
export const HEAD = 200;

export interface Layout {
  /** Names of the columns, if the file says them. */
  readonly titles: readonly string[] | undefined;
  /** Number of columns, without row names and without what a delimiter at the end of each line makes. */
  readonly width: number;
  /** Fields of a record before the columns (row names) and after them (empty ones). */
  readonly before: number;
  readonly after: number;
  /** The records in `head` that are samples. */
  readonly samples: readonly CsvRecord[];
}

/** `complete`: whether `head` is all of the file. Throws FormatError. */
export function layoutOf(
  head: readonly CsvRecord[],
  complete: boolean,
  asked: boolean | undefined,
  name: string,
): Layout {
  const records = withoutComments(head, asked);
  const [first, second] = records;
  if (first === undefined) throw new FormatError(`${name}: holds no lines`);
  const { fields } = first;
  const extra = second === undefined ? 0 : second.fields.length - fields.length;
  const body = records.slice(1);
  const endsEmpty = (some: readonly CsvRecord[]) => some.every((record) => record.fields.at(-1) === "");
  const isAlike = body.every((record) => record.fields.length === fields.length + extra);
  // A line of names may be one field shorter or longer than the samples.
  if (asked !== false && isAlike && extra === 1 && (endsEmpty(body) || areRowNames(body))) {
    const after = endsEmpty(body) ? 1 : 0;
    return { titles: fields, width: fields.length, before: 1 - after, after, samples: body };
  }
  if (asked !== false && isAlike && extra === -1 && fields.at(-1) === "") {
    return { titles: fields.slice(0, -1), width: fields.length - 1, before: 0, after: 0, samples: body };
  }
  const after = fields.length > 1 && endsEmpty(records) && (complete || records.length > 1) ? 1 : 0;
  const width = fields.length - after;
  const header = asked ?? firstIsHeader(records, width, name);
  if (header && body.length === 0) throw new FormatError(`${name}: holds a header and no rows`);
  return {
    titles: header ? fields.slice(0, width) : undefined,
    width,
    before: 0,
    after,
    samples: header ? body : records,
  };
}

/** Whether the first fields are as R writes the names of rows: 1, 2, 3 and so on, or texts that differ. */
function areRowNames(records: readonly CsvRecord[]): boolean {
  const names = records.map(({ fields: [cell = ""] }) => cell);
  if (names.every((cell, i) => cell === String(i + 1))) return names.length > 1;
  return names.every((cell) => cell !== "" && !isNumeric(cell)) && new Set(names).size === names.length;
}

/** Without the lines at the top that begin with "#", unless all do; NumPy writes its header so. */
function withoutComments(records: readonly CsvRecord[], asked: boolean | undefined): readonly CsvRecord[] {
  const isComment = ({ fields: [cell = ""] }: CsvRecord) => cell.startsWith("#");
  const begin = records.findIndex((record) => !isComment(record));
  if (begin <= 0) return records;
  const last = records[begin - 1] as CsvRecord;
  const names = [(last.fields[0] as string).replace(/^#\s*/, ""), ...last.fields.slice(1)];
  const width = (records[begin] as CsvRecord).fields.length;
  const isHeader =
    asked !== false && names.length === width && width > 1 && !names.some(isNumeric) && names[0] !== "";
  return isHeader ? [{ line: last.line, fields: names }, ...records.slice(begin)] : records.slice(begin);
}

/** Whether the first record names the columns. Throws FormatError where that can't be told. */
function firstIsHeader(records: readonly CsvRecord[], width: number, name: string): boolean {
  const cells = (records[0] as CsvRecord).fields.slice(0, width);
  const rest = records.slice(1);
  const below = (column: number) => rest.flatMap(({ fields }) => fields[column] || []);
  const numbers = cells.flatMap((cell, column) => (isNumeric(cell) ? [column] : []));
  const texts = cells.flatMap((cell, column) => (MISSING.test(cell) || isNumeric(cell) ? [] : [column]));
  // Columns may be called 2019, but hardly 0.5.
  const isNamed = numbers.every((column) => /^\d+$/.test(cells[column] as string));
  const isAbove = (column: number) => below(column).length > 0 && below(column).every(isNumeric);
  if (isNamed && texts.some(isAbove)) return true;
  // A name does not come again among the values of its column.
  const again = texts.filter((column) => below(column).includes(cells[column] as string));
  if (numbers.length === 0) return again.length === 0 || again.length * 2 < texts.length;

  const run = runOf(cells, numbers);
  if (rest.length === 0 || run === undefined || again.length > 0) return false;
  const startsAt0 = Number(cells[numbers[0] as number]) === 0;
  if (rest.some(({ fields }) => numbers.every((column) => fields[column] === cells[column]))) return false;
  // pandas' index has no name.
  if (startsAt0 && texts.length === 0 && cells[0] === "") return true;
  if (!startsAt0) {
    const others = rest.some(({ fields }) => runOf(fields, numbers) === run);
    if (others || numbers.length + texts.length < 3) return false;
  } else if (texts.some((column) => 2 * new Set(below(column)).size <= below(column).length)) return true;
  throw new FormatError(
    `${name}: line ${(records[0] as CsvRecord).line}: ${quote(cells.join(","))} may name the columns or be a sample; ` +
      "say which with `header` (true or false)",
  );
}

/** Whether these cells are numbers as columns bear them: 0, 1, 2 or 7, 8, 9, or years. */
function runOf(fields: readonly string[], columns: readonly number[]): "consecutive" | "years" | undefined {
  const cells = columns.map((column) => fields[column] ?? "");
  if (cells.length < 2 || !cells.every((cell) => /^(0|[1-9]\d{0,8})$/.test(cell))) return undefined;
  const numbers = cells.map(Number);
  const steps = numbers.slice(1).map((number, i) => number - (numbers[i] as number));
  if (steps.every((step) => step === 1)) return "consecutive";
  const isYears = numbers.every((number) => number >= 1900 && number <= 2100);
  return isYears && steps.every((step) => step > 0) ? "years" : undefined;
}
