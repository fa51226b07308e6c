/**
 * Decides by the first records of a table what surrounds its samples: a header or none, comment lines, row names as R
 * writes them, delimiters at the ends of lines.
 */

import { FormatError } from "../../validation/errors.ts";
import { expectFormat } from "../../validation/expect.ts";
import { quote } from "../../validation/printable.ts";
import { isNumeric, MISSING } from "./numbers.ts";
import type { CsvRecord } from "./records.ts";

/** Number of records that are examined. */
export const HEAD = 200;

export interface Layout {
  /** Names of the columns, if the file has a header. */
  readonly titles: readonly string[] | undefined;
  /** Number of columns, without row names and without the empty field after a delimiter at the end of each line. */
  readonly width: number;
  /** Number of fields of a record before the columns (row names) and after them (empty ones). */
  readonly before: number;
  readonly after: number;
  /** The examined records that are samples. */
  readonly samples: readonly CsvRecord[];
}

/**
 * The layout of a table that begins with the records `head`. `isComplete`: whether these are all. `header`: what the
 * caller says. Throws FormatError where the first line may be a header or a sample.
 */
export function layoutOf(
  head: readonly CsvRecord[],
  isComplete: boolean,
  header: boolean | undefined,
  name: string,
): Layout {
  const records = withoutComments(head, header);
  const [first, ...body] = records;
  expectFormat(first, `${name}: holds no lines`);
  const { fields } = first;
  const extra = (body[0] ?? first).fields.length - fields.length;
  const endsEmpty = (some: readonly CsvRecord[]) => some.every((record) => record.fields.at(-1) === "");
  const mayBeHeader =
    header !== false && body.every((record) => record.fields.length === fields.length + extra);
  // A header may be one field shorter or longer than the samples.
  if (mayBeHeader && extra === 1 && (endsEmpty(body) || areRowNames(body))) {
    const after = endsEmpty(body) ? 1 : 0;
    return { titles: fields, width: fields.length, before: 1 - after, after, samples: body };
  }
  if (mayBeHeader && extra === -1 && fields.at(-1) === "") {
    return { titles: fields.slice(0, -1), width: fields.length - 1, before: 0, after: 0, samples: body };
  }
  const after = fields.length > 1 && endsEmpty(records) && (isComplete || body.length > 0) ? 1 : 0;
  const width = fields.length - after;
  if (!(header ?? isHeader(first, body, width, name)))
    return { titles: undefined, width, before: 0, after, samples: records };
  expectFormat(body.length > 0, `${name}: holds a header and no rows`);
  return { titles: fields.slice(0, width), width, before: 0, after, samples: body };
}

/** Whether the first fields are row names as R writes them: 1, 2, 3 and so on, or different texts. */
function areRowNames(records: readonly CsvRecord[]): boolean {
  const names = records.map(({ fields: [cell = ""] }) => cell);
  if (names.every((cell, i) => cell === String(i + 1))) return names.length > 1;
  return names.every((cell) => cell !== "" && !isNumeric(cell)) && new Set(names).size === names.length;
}

/** Drops lines at the top that begin with "#", unless all lines do. NumPy writes its header in such a line, which is kept. */
function withoutComments(records: readonly CsvRecord[], header: boolean | undefined): readonly CsvRecord[] {
  const begin = records.findIndex(({ fields: [cell = ""] }) => !cell.startsWith("#"));
  if (begin <= 0) return records;
  const last = records[begin - 1] as CsvRecord;
  const names = [(last.fields[0] as string).replace(/^#\s*/, ""), ...last.fields.slice(1)];
  const width = (records[begin] as CsvRecord).fields.length;
  const isNames = names.length === width && width > 1 && !names.some(isNumeric) && names[0] !== "";
  const kept = header !== false && isNames ? [{ line: last.line, fields: names }] : [];
  return [...kept, ...records.slice(begin)];
}

/** Whether the first record names the columns. Throws FormatError where that is unclear. */
function isHeader(first: CsvRecord, body: readonly CsvRecord[], width: number, name: string): boolean {
  const cells = first.fields.slice(0, width);
  const below = (column: number) => body.flatMap(({ fields }) => fields[column] || []);
  const numbers = cells.flatMap((cell, column) => (isNumeric(cell) ? [column] : []));
  const texts = cells.flatMap((cell, column) => (MISSING.test(cell) || isNumeric(cell) ? [] : [column]));
  // A text above numbers is a name. Columns may be called 2019, but hardly 0.5.
  const mayBeNames = numbers.every((column) => /^\d+$/.test(cells[column] as string));
  const isAboveNumbers = (column: number) => below(column).length > 0 && below(column).every(isNumeric);
  if (mayBeNames && texts.some(isAboveNumbers)) return true;
  // A name does not occur among the values of its column.
  const repeated = texts.filter((column) => below(column).includes(cells[column] as string));
  if (numbers.length === 0) return repeated.length === 0 || repeated.length * 2 < texts.length;

  const sequence = sequenceOf(cells, numbers);
  if (body.length === 0 || sequence === undefined || repeated.length > 0) return false;
  if (body.some(({ fields }) => numbers.every((column) => fields[column] === cells[column]))) return false;
  if (Number(cells[numbers[0] as number]) === 0) {
    // pandas writes its index without a name and numbers unnamed columns from 0.
    if (texts.length === 0 && cells[0] === "") return true;
    if (texts.some((column) => 2 * new Set(below(column)).size <= below(column).length)) return true;
  } else {
    const isUsual = body.some(({ fields }) => sequenceOf(fields, numbers) === sequence);
    if (isUsual || numbers.length + texts.length < 3) return false;
  }
  throw new FormatError(
    `${name}: line ${first.line}: ${quote(cells.join(","))} may name the columns or be a sample; ` +
      "say which with `header` (true or false)",
  );
}

/** Whether these cells are numbers that may name columns: 0, 1, 2 or 7, 8, 9, or years. */
function sequenceOf(
  fields: readonly string[],
  columns: readonly number[],
): "consecutive" | "years" | undefined {
  const cells = columns.map((column) => fields[column] ?? "");
  if (cells.length < 2 || !cells.every((cell) => /^(0|[1-9]\d{0,8})$/.test(cell))) return undefined;
  const numbers = cells.map(Number);
  const steps = numbers.slice(1).map((number, i) => number - (numbers[i] as number));
  if (steps.every((step) => step === 1)) return "consecutive";
  const areYears = numbers.every((number) => number >= 1900 && number <= 2100);
  return areYears && steps.every((step) => step > 0) ? "years" : undefined;
}
