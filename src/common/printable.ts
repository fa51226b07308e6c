/** Text from outside (names of files, classes, tensors) as it may go to a terminal, a page or a line of JSON. */

/**
 * C0 and C1 controls, DEL, separators of lines and paragraphs, and what turns the direction of writing: each could move the
 * cursor, clear or recolour the screen, forge lines, or show text as another one.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * `text` as one line without controls: each is written as its escape, `\u001b`. Within a JSON string this is the same string,
 * so lines of JSON may go through here as a whole.
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, (c) =>
    c === "\n" ? "\\n" : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The beginning of `text` as it is quoted in an error. */
export const quote = (text: string): string =>
  JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);

/** The default of `onNotice`: console.warn. */
export const warn = (line: string): void => console.warn(printable(line));
