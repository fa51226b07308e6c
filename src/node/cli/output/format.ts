/** Numbers, durations, paths and option names as text for people. */

/** 12345 -> "12,345" */
export const count = (n: number): string => Math.round(n).toLocaleString("en-US");

/** 0.98765 -> "98.77 %" */
export const percent = (share: number, digits = 2): string => `${(share * 100).toFixed(digits)} %`;

/** 1 -> "1 image", 42 -> "42 images" */
export const plural = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** "8.3 s", "2 min 05 s", "1 h 02 min" */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** Two to four significant digits: "0.73", "12.4", "1,240" */
export const rate = (n: number): string => (n >= 100 ? count(n) : n.toPrecision(n >= 10 ? 3 : 2));

/** 11594722 -> "11.6 MB" */
export const megabytes = (bytes: number, digits = 1): string => `${(bytes / 1e6).toFixed(digits)} MB`;

/** A path as a shell needs it: quoted where it holds special characters. */
export const shellWord = (path: string): string =>
  /^[\w./~@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;

/** clipNorm -> "--clip-norm" */
export const optionName = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Rows of text as a table: columns padded to their widest cell, to the right if `alignRight` holds its index. */
export function table(rows: readonly (readonly string[])[], alignRight: readonly number[] = []): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const cell = (text: string, i: number) => {
    const width = widths[i] ?? 0;
    return alignRight.includes(i) ? text.padStart(width) : text.padEnd(width);
  };
  return rows.map((row) => row.map(cell).join("  ").trimEnd());
}

/** A loss with its unit: that of a model of characters is also given in bits. */
export function lossText(loss: number, { sample }: { readonly sample?: unknown }): string {
  const digits = loss.toFixed(4);
  return sample === undefined
    ? digits
    : `${digits} nats per character (${(loss / Math.LN2).toFixed(3)} bits)`;
}
