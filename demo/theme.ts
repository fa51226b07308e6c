/** The style sheet's colours for what is drawn on canvases, light or dark as the visitor's system has it. */

export type Rgb = readonly [number, number, number];

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Asking the style sheet in the middle of a frame makes the browser work out every style anew. */
const known = new Map<string, string>();
dark.addEventListener("change", () => known.clear());

/** A custom property of the page, `--ink`, as it is now. */
export function colour(name: string): string {
  const value = known.get(name) ?? getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  known.set(name, value);
  return value;
}

/** The same as numbers 0 to 255; the style sheet writes such colours as `#rrggbb`. */
export function rgb(name: string): Rgb {
  const value = Number.parseInt(colour(name).slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Colours of runs, in the order in which they are given out. */
export const RUN_COLOURS = 6;
export const runColour = (index: number) => colour(`--run-${index % RUN_COLOURS}`);

/** Calls `redraw` whenever the system goes from light to dark or back. */
export function onThemeChange(redraw: () => void): void {
  dark.addEventListener("change", redraw);
}
