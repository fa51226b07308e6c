/**
 * Comma-separated text as records (RFC 4180, and what spreadsheets make of it): quoted fields with doubled quotes and
 * line breaks in them, any line ending, commas, semicolons or tabs.
 * Refuses quotes that are never closed and text behind a closing quote, naming line and column.
 */
import { FormatError } from "../errors.ts";
import { quote } from "./number-lines.ts";

export type Delimiter = "," | ";" | "\t";

export interface CsvRecord {
  /** Where it begins, from 1. */
  readonly line: number;
  /** Unquoted fields without the blanks around them. */
  readonly fields: readonly string[];
}

/** The delimiter that comes most often in the first line, outside quotes; a comma if there is none. */
export function guessDelimiter(text: string): Delimiter {
  const counts: Record<Delimiter, number> = { ",": 0, ";": 0, "\t": 0 };
  let quoted = false;
  for (const character of firstLine(text)) {
    if (character === '"') quoted = !quoted;
    else if (!quoted && character in counts) counts[character as Delimiter]++;
  }
  const delimiters = Object.keys(counts) as Delimiter[];
  return delimiters.reduce((best, next) => (counts[next] > counts[best] ? next : best));
}

function firstLine(text: string): string {
  const start = text.search(/[^\r\n]/);
  const end = text.slice(Math.max(0, start)).search(/[\r\n]/);
  return text.slice(Math.max(0, start), end < 0 ? undefined : start + end);
}

/** The records one by one; blank lines are left out. `name` is named in errors. */
export function* csvRecords(text: string, delimiter: Delimiter, name: string): Generator<CsvRecord> {
  const plain = new RegExp(`[^${delimiter}\\r\\n]*`, "y");
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const begun = line;
    const fields: string[] = [];
    let quotedAny = false;
    for (;;) {
      while (text[at] === " " || (text[at] === "\t" && delimiter !== "\t")) at++;
      if (text[at] === '"') {
        quotedAny = true;
        const [content, end] = quotedField(text, at, `${name}: line ${line}, column ${fields.length + 1}`);
        fields.push(content);
        line += content.match(/\r\n|\r|\n/g)?.length ?? 0;
        at = end;
        plain.lastIndex = at;
        const rest = plain.exec(text)?.[0] ?? "";
        if (rest.trim() !== "") {
          throw new FormatError(
            `${name}: line ${line}, column ${fields.length}: ${quote(rest)} follows the closing quote`,
          );
        }
        at += rest.length;
      } else {
        plain.lastIndex = at;
        const content = plain.exec(text)?.[0] ?? "";
        fields.push(content.trim());
        at += content.length;
      }
      if (text[at] !== delimiter) break;
      at++;
    }
    if (text[at] === "\r") at++;
    // "\r\n" is one line end, and so is either alone.
    if (text[at] === "\n") at++;
    line++;
    if (fields.length > 1 || fields[0] !== "" || quotedAny) yield { line: begun, fields };
  }
}

/** What is between the quote at `start` and the one that closes it, and the place behind that. */
function quotedField(text: string, start: number, where: string): [content: string, end: number] {
  let content = "";
  for (let at = start + 1; ; ) {
    const close = text.indexOf('"', at);
    if (close < 0) throw new FormatError(`${where}: the quote that opens here is never closed`);
    content += text.slice(at, close);
    if (text[close + 1] !== '"') return [content, close + 1];
    content += '"';
    at = close + 2;
  }
}
