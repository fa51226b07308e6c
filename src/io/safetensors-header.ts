/**
 * Reads and checks the header of a safetensors file: every length, type, shape and byte range, and that the ranges cover
 * the data without gap or overlap.
 */
import { FormatError } from "../validation/errors.ts";
import { quote } from "../validation/printable.ts";
import { type Dtype, dtypes, isDtype, itemSize } from "./safetensors-values.ts";

export interface HeaderEntry {
  readonly key: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Byte range within the data, which begins at `dataStart` of the file. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of the file. */
  readonly entries: readonly HeaderEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly dataStart: number;
}

/** Depth of nested brackets: the object, a tensor, its shape. */
const DEEPEST = 3;
/** Most dimensions of a tensor; PyTorch has 64. */
const MOST_DIMENSIONS = 64;
const METADATA = "__metadata__";
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Throws FormatError, naming `name` and the place, on anything that violates the format. */
export function parseHeader(bytes: Uint8Array, name: string, headerLimit: number): Header {
  const fail = (what: string, cause?: unknown): never => {
    throw new FormatError(`${name}: ${what}`, { cause });
  };
  if (bytes.length < 8) fail(`expected the header's length in 8 bytes at 0, the file has ${bytes.length}`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(headerLimit))
    fail(`the header is said to take ${length} bytes, the limit is ${headerLimit}`);
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.length)
    fail(`the header is said to take ${length} bytes from byte 8 on, the file has ${bytes.length} in all`);
  const text = decodeText(bytes.subarray(8, dataStart), fail);
  checkDepth(text, fail);
  const parsed = parseJson(text, fail);
  if (!isRecord(parsed)) return fail("the header at byte 8 must be a JSON object");
  const names = topLevelNames(text, (key) => fail(`the header names ${quote(key)} twice`));

  const dataBytes = bytes.length - dataStart;
  const metadata = checkMetadata(parsed[METADATA], fail);
  const entries = names
    .filter((key) => key !== METADATA)
    .map((key) => checkEntry(key, parsed[key], dataBytes, fail));
  checkCoverage(entries, dataBytes, fail);
  return { entries, metadata, dataStart };
}

type Fail = (what: string, cause?: unknown) => never;

function decodeText(bytes: Uint8Array, fail: Fail): string {
  if (bytes[0] !== 0x7b) fail(`the header at byte 8 must start with "{", got ${bytes[0] ?? "nothing"}`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    return fail("the header at byte 8 is not UTF-8", cause);
  }
}

function parseJson(text: string, fail: Fail): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    return fail(`the header at byte 8 is not JSON: ${(cause as Error).message}`, cause);
  }
}

const [QUOTE, BACKSLASH, OPEN, CLOSE] = [0x22, 0x5c, 0x7b, 0x7d];

/** Where the string that opens at `start` ends; the length of the text if it does not. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at;
  }
  return text.length;
}

/** Limits the depth before the text is parsed, because deeply nested brackets would overflow the stack. */
function checkDepth(text: string, fail: Fail): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === OPEN || code === 0x5b) depth++;
    else if (code === CLOSE || code === 0x5d) depth--;
    if (depth > DEEPEST) fail(`the header at byte 8 has more than ${DEEPEST} brackets within each other`);
  }
}

/**
 * The names in the outermost object of a valid JSON text, in the order written: JSON.parse moves names like "0" to the
 * front, and keeps the last of two equal ones. Calls `twice` for a name that occurs twice in any object.
 */
function topLevelNames(text: string, twice: (key: string) => never): string[] {
  const open: Set<string>[] = [];
  let topLevel: string[] = [];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const names = open.at(-1);
    if (code === OPEN) open.push(new Set());
    else if (code === CLOSE) {
      if (open.length === 1 && names) topLevel = [...names];
      open.pop();
    } else if (code === QUOTE) {
      const end = endOfString(text, at);
      let next = end + 1;
      while (text.charCodeAt(next) <= 0x20) next++;
      // A string before a colon is a name.
      if (text[next] === ":" && names) {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        if (names.has(key)) twice(key);
        names.add(key);
      }
      at = end;
    }
  }
  return topLevel;
}

/** A value as JSON, shortened: a list or a text in the header may be long. */
const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
};

function checkMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) return fail(`${METADATA} must be an object of texts`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") fail(`${METADATA} ${quote(key)} must be a text, got ${shown(text)}`);
  }
  return value as Record<string, string>;
}

function checkEntry(key: string, value: unknown, dataBytes: number, fail: Fail): HeaderEntry {
  const where = `tensor ${quote(key)}`;
  if (!isRecord(value)) return fail(`${where}: expected an object, got ${shown(value)}`);
  const { dtype, shape, data_offsets: range } = value;
  if (!isDtype(dtype)) {
    return fail(`${where}: dtype ${shown(dtype)} is not one of ${dtypes.join(", ")}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    return fail(`${where}: shape must be a list of whole numbers of at least 0, got ${shown(shape)}`);
  }
  if (shape.length > MOST_DIMENSIONS)
    fail(`${where}: has ${shape.length} dimensions, at most ${MOST_DIMENSIONS} are read`);
  if (!Array.isArray(range) || range.length !== 2 || !range.every(isCount)) {
    return fail(`${where}: data_offsets must be two whole numbers of at least 0, got ${shown(range)}`);
  }
  const [begin, end] = range as [number, number];
  if (begin > end) fail(`${where}: data_offsets [${begin}, ${end}] end before they begin`);
  if (end > dataBytes)
    fail(`${where}: data_offsets [${begin}, ${end}] reach beyond the ${dataBytes} bytes of data`);
  const expected = shape.reduce((product, extent) => product * extent, itemSize(dtype));
  if (expected !== end - begin) {
    fail(
      `${where}: ${dtype} [${shape.join(", ")}] takes ${expected} bytes, data_offsets span ${end - begin}`,
    );
  }
  return { key, dtype, shape, begin, end };
}

/** Checks that the ranges, sorted, join end to end from 0 to the end of the file. */
function checkCoverage(entries: readonly HeaderEntry[], dataBytes: number, fail: Fail): void {
  let covered = 0;
  let before = "the start of the data";
  for (const { key, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered)
      fail(`tensor ${quote(key)} begins at ${begin} and overlaps ${before}, which ends at ${covered}`);
    if (begin > covered)
      fail(`${begin - covered} bytes of data lie unused between ${before} and tensor ${quote(key)}`);
    covered = end;
    before = `tensor ${quote(key)}`;
  }
  if (covered !== dataBytes) fail(`${dataBytes - covered} bytes of data lie unused after ${before}`);
}
