/** Makes untrusted text (names of files, classes, tensors) safe for a terminal, a page or a line of JSON. */

/**
 * C0 and C1 controls, DEL, line and paragraph separators, and bidirectional controls. These could move the cursor, clear or
 * recolour the screen, forge lines, or display a text as another one.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * Returns `text` as one line without controls: each is replaced by its escape, such as `\u001b`. These are escapes of JSON,
 * too, so whole lines of JSON can be passed without changing their meaning.
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, (c) =>
    c === "\n" ? "\\n" : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The first 40 characters of `text` in quotes, for errors. */
export const quote = (text: string): string =>
  JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);

/** The default of `onNotice`. */
export const warn = (line: string): void => console.warn(printable(line));
