/** Deterministic transforms, applied in training and evaluation alike: pad, resize, centerCrop, normalize. */

import { pair, sides } from "../geometry/conv.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { mul, sub } from "../ops/elementwise/arithmetic.ts";
import { upsample } from "../ops/pool/resize.ts";
import { PAD, type PadOptions, pad as padOp } from "../ops/shape/pad.ts";
import { slice } from "../ops/shape/slice.ts";
import { ShapeError } from "../validation/errors.ts";
import { expectValue } from "../validation/expect.ts";
import { checkOptions, shown } from "../validation/options.ts";
import { imageShape, ofInputs, type Transform } from "./transform.ts";

/** One number for both axes, or height and width. */
export type Size = number | readonly [height: number, width: number];

/** Height and width of `size`; throws ShapeError unless they are whole numbers of at least 1. */
export function sizeOfImage(who: string, size: Size): readonly [number, number] {
  return pair(who, "size", size, 1);
}

/**
 * Adds pixels around images: `padding` on every side, [left and right, top and bottom] or [left, top, right, bottom].
 * They have `value` (default 0) or, by `mode`, repeat the mirrored image or the edge. torchvision's Pad.
 */
export function pad(
  padding: number | readonly [number, number] | readonly [number, number, number, number],
  options: PadOptions = {},
): Transform {
  checkOptions("pad", options, PAD);
  const [left, top, right, bottom] = sides("pad", padding, "[x, y] or [left, top, right, bottom]");
  return ofInputs("pad", (x) => {
    imageShape("pad", x);
    return padOp(x, [left, right, top, bottom], options);
  });
}

export interface ResizeOptions {
  /** Default bilinear. */
  readonly interpolation?: "bilinear" | "nearest";
}

/**
 * Resizes images. A number is the length of the shorter side; the other keeps the aspect ratio. torchvision's Resize
 * without antialiasing.
 */
export function resize(size: Size, options: ResizeOptions = {}): Transform {
  const kinds = { interpolation: ["bilinear", "nearest"] } as const;
  const { interpolation: mode = "bilinear" } = checkOptions("resize", options, kinds);
  const [height, width] = sizeOfImage("resize", size);
  return ofInputs("resize", (x) => {
    const [, , H, W] = imageShape("resize", x);
    const scaled = (side: number) => Math.floor((side * height) / Math.min(H, W));
    const wanted: [number, number] = typeof size === "number" ? [scaled(H), scaled(W)] : [height, width];
    return wanted[0] === H && wanted[1] === W ? x : upsample(x, { size: wanted, mode });
  });
}

/** Crops images to their centre; smaller images are padded with zeros. torchvision's CenterCrop. */
export function centerCrop(size: Size): Transform {
  const wanted = sizeOfImage("centerCrop", size);
  return ofInputs("centerCrop", (x) => cropCenter(x, wanted, 0));
}

/** Crops images [N, C, H, W] to their centre; axes that are too short are padded with `fill`. */
export function cropCenter(x: Tensor, size: readonly [number, number], fill: number): Tensor {
  const [N, C, H, W] = imageShape("centerCrop", x);
  const [height, width] = size;
  const [tall, wide] = [Math.max(0, height - H), Math.max(0, width - W)];
  const sides = [Math.floor(wide / 2), Math.ceil(wide / 2), Math.floor(tall / 2), Math.ceil(tall / 2)];
  const whole = tall + wide === 0 ? x : padOp(x, sides, { value: fill });
  const top = halfToEven(H + tall - height);
  const left = halfToEven(W + wide - width);
  if (H + tall === height && W + wide === width) return whole;
  return slice(whole, [0, 0, top, left], [N, C, top + height, left + width]);
}

/** Half of a whole number, rounded like Python's `round`: where torchvision's crop begins. */
function halfToEven(n: number): number {
  const half = Math.floor(n / 2);
  return n % 2 === 0 ? half : half + (half % 2);
}

/**
 * (x - mean) / std, with one number each or one per channel (second axis of the batch). torchvision's Normalize. Throws
 * ValueError on numbers that are not finite and a std that is not above 0.
 */
export function normalize(mean: number | readonly number[], std: number | readonly number[]): Transform {
  const listOf = (value: number | readonly number[]): readonly number[] => {
    const isValid = typeof value === "number" || Array.isArray(value);
    expectValue(isValid, `normalize: mean and std must be numbers or arrays of them, got ${shown(value)}`);
    return typeof value === "number" ? [value] : value;
  };
  const [means, stds] = [listOf(mean), listOf(std)];
  expectValue(
    [...means, ...stds].every(Number.isFinite) && stds.every((value) => value > 0),
    `normalize: needs finite means and deviations above 0, got [${means}] and [${stds}]`,
  );
  return ofInputs("normalize", (x) => {
    const channels = x.shape[1] ?? 1;
    const perChannel = (values: readonly number[]) => {
      if (values.length !== 1 && values.length !== channels) {
        throw new ShapeError(
          `normalize: needs one number or ${channels}, one per channel, got ${values.length}`,
        );
      }
      const shape = [values.length, ...x.shape.slice(2).map(() => 1)];
      return constant(Float64Array.from(values), shape, "normalize");
    };
    return mul(sub(x, perChannel(means)), perChannel(stds.map((value) => 1 / value)));
  });
}
