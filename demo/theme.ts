/** The style sheet's colours for canvases, in the light or dark theme of the visitor's system. */

export type Rgb = readonly [number, number, number];

const dark = matchMedia("(prefers-color-scheme: dark)");

/** A cache, because reading the style sheet during a frame makes the browser compute all styles again. */
const known = new Map<string, string>();
dark.addEventListener("change", () => known.clear());

/** The current value of a custom property such as `--ink`. */
export function colour(name: string): string {
  const value = known.get(name) ?? getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  known.set(name, value);
  return value;
}

/** The same as numbers from 0 to 255, for colours written as `#rrggbb`. */
export function rgb(name: string): Rgb {
  const value = Number.parseInt(colour(name).slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Number of colours for runs. */
export const RUN_COLOURS = 6;
export const runColour = (index: number) => colour(`--run-${index % RUN_COLOURS}`);

/** Calls `redraw` when the system switches between light and dark. */
export function onThemeChange(redraw: () => void): void {
  dark.addEventListener("change", redraw);
}
