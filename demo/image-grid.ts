/** Draws a grid of small images on one canvas, in grey or in two colours: digits, feature maps, weights. */
import { onThemeChange, rgb } from "./theme.ts";

export interface Tiles {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** Image after image, row-major. */
  readonly values: ArrayLike<number>;
  /** Images in a row of the grid. */
  readonly columns: number;
  /** `ink`: one colour, 0 is blank and the largest value full. `signed`: two colours, 0 is blank. */
  readonly kind: "ink" | "signed";
}

const GAP = 1;

/** What each canvas shows; drawn again when the colours change. */
const shown = new Map<HTMLCanvasElement, Tiles>();
onThemeChange(() => {
  for (const [canvas, tiles] of shown) {
    if (canvas.isConnected) paint(canvas, tiles);
    else shown.delete(canvas);
  }
});

/** Draws one pixel per value; the style sheet enlarges the canvas without smoothing. */
export function drawTiles(canvas: HTMLCanvasElement, tiles: Tiles): void {
  shown.set(canvas, tiles);
  paint(canvas, tiles);
}

function paint(canvas: HTMLCanvasElement, { count, height, width, values, columns, kind }: Tiles): void {
  const across = Math.min(columns, count);
  const rows = Math.ceil(count / across);
  const fullWidth = across * (width + GAP) - GAP;
  const fullHeight = rows * (height + GAP) - GAP;
  if (canvas.width !== fullWidth) canvas.width = fullWidth;
  if (canvas.height !== fullHeight) canvas.height = fullHeight;
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const picture = context.createImageData(fullWidth, fullHeight);
  const high = rgb(kind === "ink" ? "--ink" : "--high");
  const low = rgb("--low");
  const empty = rgb("--tile");
  let largest = 1e-9;
  for (let i = 0; i < count * height * width; i++) {
    largest = Math.max(largest, Math.abs(values[i] as number));
  }
  for (let t = 0; t < count; t++) {
    const left = (t % across) * (width + GAP);
    const top = Math.floor(t / across) * (height + GAP);
    for (let i = 0; i < height * width; i++) {
      const value = (values[t * height * width + i] as number) / largest;
      const share = Math.min(1, Math.abs(value));
      const full = value < 0 ? low : high;
      const at = 4 * ((top + Math.floor(i / width)) * fullWidth + left + (i % width));
      for (let c = 0; c < 3; c++) {
        picture.data[at + c] = (empty[c] as number) + share * ((full[c] as number) - (empty[c] as number));
      }
      picture.data[at + 3] = 255;
    }
  }
  context.putImageData(picture, 0, 0);
}
