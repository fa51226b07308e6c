/** Numbers as people read them. */

export const count = (n: number): string => Math.round(n).toLocaleString("en-US");

/** 0.98765 -> "98.77 %" */
export const percent = (share: number, digits = 2): string => `${(share * 100).toFixed(digits)} %`;

/** 42 -> "1 image", "42 images" */
export const several = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** "8.3 s", "2 min 05 s", "1 h 02 min" */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** Two to four digits that matter: "0.73", "12.4", "1,240" */
export function rate(n: number): string {
  return n >= 100 ? count(n) : n.toPrecision(n >= 10 ? 3 : 2);
}

/** "11.6 MB" */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** A path as a shell wants it. */
export const shellWord = (path: string): string =>
  /^[\w./~@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;

/** clipNorm -> "--clip-norm" */
export const optionWord = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
