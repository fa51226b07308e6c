/**
 * Converts a drawing to the format of MNIST: cropped to its ink, scaled to fit 20x20 pixels with its proportions, and placed in
 * 28x28 pixels with its centre of mass in the middle (LeCun, Cortes, Burges, "The MNIST database"). Scaling averages areas,
 * which gives grey edges like those of the originals.
 */

export const SIDE = 28;
const BOX = 20;
/** Ink below this value does not count for the extent of the drawing. */
const BLANK = 0.05;

/** `ink`: row-major, 0 (blank) to 1. Returns 784 values from 0 to 1, or undefined for an empty drawing. */
export function centreDigit(ink: ArrayLike<number>, width: number, height: number): Float32Array | undefined {
  const extent = extentOf(ink, width, height);
  if (extent === undefined) return undefined;
  const { left, top, right, bottom } = extent;
  const scale = Math.max(right - left, bottom - top) / BOX;
  const columns = Math.max(1, Math.round((right - left) / scale));
  const rows = Math.max(1, Math.round((bottom - top) / scale));
  const box = new Float32Array(columns * rows);
  let mass = 0;
  let sumX = 0;
  let sumY = 0;
  for (let r = 0; r < rows; r++) {
    const y0 = top + ((bottom - top) * r) / rows;
    const y1 = top + ((bottom - top) * (r + 1)) / rows;
    for (let c = 0; c < columns; c++) {
      const x0 = left + ((right - left) * c) / columns;
      const x1 = left + ((right - left) * (c + 1)) / columns;
      const value = areaMean(ink, width, height, x0, x1, y0, y1);
      box[r * columns + c] = value;
      mass += value;
      sumX += value * (c + 0.5);
      sumY += value * (r + 0.5);
    }
  }
  const offsetX = placeIn(sumX / mass, columns);
  const offsetY = placeIn(sumY / mass, rows);
  const image = new Float32Array(SIDE * SIDE);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      image[(r + offsetY) * SIDE + c + offsetX] = box[r * columns + c] as number;
    }
  }
  return image;
}

/** The offset of a box of `length` that puts its centre of mass in the middle, within the image. */
function placeIn(centre: number, length: number): number {
  return Math.min(SIDE - length, Math.max(0, Math.round(SIDE / 2 - centre)));
}

function extentOf(ink: ArrayLike<number>, width: number, height: number) {
  let left = width;
  let right = 0;
  let top = height;
  let bottom = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if ((ink[y * width + x] as number) < BLANK) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
    }
  }
  return right === 0 ? undefined : { left, right, top, bottom };
}

/** Mean of a rectangle with fractional edges; each pixel is weighted by its area inside. */
function areaMean(
  ink: ArrayLike<number>,
  width: number,
  height: number,
  x0: number,
  x1: number,
  y0: number,
  y1: number,
): number {
  let sum = 0;
  for (let y = Math.floor(y0); y < Math.min(height, Math.ceil(y1)); y++) {
    const tall = Math.min(y + 1, y1) - Math.max(y, y0);
    for (let x = Math.floor(x0); x < Math.min(width, Math.ceil(x1)); x++) {
      sum += (ink[y * width + x] as number) * tall * (Math.min(x + 1, x1) - Math.max(x, x0));
    }
  }
  return sum / ((x1 - x0) * (y1 - y0));
}
