/**
 * Turns decoded images into samples: resized to one size, with one or three channels, channels first, bytes. Transparent
 * pixels are blended with white.
 */
import { ShapeError } from "../../validation/errors.ts";
import { expectValue } from "../../validation/expect.ts";

/** The same fields as `ImageData` in a page. */
export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, alpha of each pixel, row by row. */
  readonly data: Uint8Array | Uint8ClampedArray;
}

export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/**
 * The image as bytes [3, height, width], stretched to that size. Throws ValueError on sizes that are not whole numbers of
 * at least 1, ShapeError on pixel arrays of another length than the image's size.
 */
export function imageToSample(image: DecodedImage, size: ImageSize): Uint8Array {
  const { width, height, data } = image;
  for (const extent of [width, height, size.width, size.height]) {
    expectValue(
      Number.isInteger(extent) && extent >= 1,
      `image: sizes must be whole numbers of at least 1, got ${extent}`,
    );
  }
  if (data.length !== 4 * width * height) {
    throw new ShapeError(
      `image: ${width}x${height} pixels take ${4 * width * height} bytes, got ${data.length}`,
    );
  }
  const pixels = size.height * size.width;
  const sample = new Uint8Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    const plane = new Float32Array(width * height);
    for (let i = 0; i < plane.length; i++) {
      const alpha = (data[4 * i + 3] as number) / 255;
      plane[i] = (data[4 * i + channel] as number) * alpha + 255 * (1 - alpha);
    }
    sample.set(resizePlane(plane, image, size).map(Math.round), channel * pixels);
  }
  return sample;
}

/**
 * Resizes one channel [height, width]. Each output pixel averages the input with a triangle as wide as two output pixels,
 * or two input pixels if these are larger, so that shrinking does not alias.
 */
export function resizePlane(plane: Float32Array, from: ImageSize, to: ImageSize): Float32Array {
  const wide = resizeRows(plane, from.height, from.width, to.width);
  const high = resizeRows(transpose(wide, from.height, to.width), to.width, from.height, to.height);
  return transpose(high, to.width, to.height);
}

function resizeRows(rows: Float32Array, count: number, length: number, next: number): Float32Array {
  if (length === next) return rows;
  const out = new Float32Array(count * next);
  const scale = length / next;
  const reach = Math.max(1, scale);
  for (let i = 0; i < next; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.ceil(centre - reach - 0.5));
    const last = Math.min(length - 1, Math.floor(centre + reach - 0.5));
    const weights = Array.from({ length: last - first + 1 }, (_, k) =>
      Math.max(0, 1 - Math.abs(first + k + 0.5 - centre) / reach),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let row = 0; row < count; row++) {
      let sum = 0;
      weights.forEach((weight, k) => {
        sum += weight * (rows[row * length + first + k] as number);
      });
      out[row * next + i] = sum / total;
    }
  }
  return out;
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      out[column * rows + row] = values[row * columns + column] as number;
    }
  }
  return out;
}

/** Whether the three channels of every sample [3, `pixels`] are the same. */
export function isGrey(samples: Uint8Array, pixels: number): boolean {
  for (let start = 0; start < samples.length; start += 3 * pixels) {
    for (let i = start; i < start + pixels; i++) {
      if (samples[i] !== samples[i + pixels] || samples[i] !== samples[i + 2 * pixels]) return false;
    }
  }
  return true;
}

/** Samples [3, `pixels`] as [1, `pixels`], by brightness (ITU-R BT.601). */
export function toGrey(samples: Uint8Array, pixels: number): Uint8Array {
  const grey = new Uint8Array(samples.length / 3);
  for (let i = 0; i < grey.length; i++) {
    const red = i + 2 * pixels * Math.floor(i / pixels);
    const [r, g, b] = [samples[red], samples[red + pixels], samples[red + 2 * pixels]] as [
      number,
      number,
      number,
    ];
    grey[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  }
  return grey;
}
