/** Formats numbers and error messages for display. */

const counts = new Intl.NumberFormat("en");

export const count = (value: number) => counts.format(Math.round(value));

/** `97.3 %`; never 100 % for less than all. */
export function percent(share: number, digits = 1): string {
  const factor = 10 ** digits;
  const shown = share < 1 ? Math.min(100 - 1 / factor, Math.round(share * 100 * factor) / factor) : 100;
  return `${shown.toFixed(digits)} %`;
}

/** `0.0231`, `2.303`: four significant digits. */
export const loss = (value: number) =>
  Number.isFinite(value) ? value.toPrecision(value < 0.001 ? 2 : value < 1 ? 3 : 4) : "–";

/** `0.42`, `23.1`, `310` milliseconds. */
export const milliseconds = (value: number) =>
  value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : count(value);

/** Megabytes with one digit. */
export const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

/** An error's message without the stack. */
export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
