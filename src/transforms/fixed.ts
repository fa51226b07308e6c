/** Transforms without chance, for training and evaluation alike: pad, resize, centerCrop, normalize. */
import { ShapeError, ValueError } from "../common/errors.ts";
import { checkOptions, shown } from "../common/options.ts";
import { pair, sides } from "../geometry/conv.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { mul, sub } from "../ops/elementwise/arithmetic.ts";
import { upsample } from "../ops/pool/resize.ts";
import { PAD, type PadOptions, pad as padOp } from "../ops/shape/pad.ts";
import { slice } from "../ops/shape/slice.ts";
import { imageShape, ofInputs, type Transform } from "./transform.ts";

/** Both axes alike, or height and width. */
export type Size = number | readonly [height: number, width: number];

/** Height and width of `size`; throws ShapeError unless they are whole numbers of at least 1. */
export function sizeOfImage(who: string, size: Size): readonly [number, number] {
  return pair(who, "size", size, 1);
}

/**
 * Adds pixels around images: `padding` on every side, [left and right, top and bottom] or [left, top, right, bottom], of
 * `value` (default 0) or, by `mode`, the mirror image or the edge. torchvision's Pad.
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
 * Images in another size, such as 28 -> 32; a number is the shorter side's length, the other follows. torchvision's
 * Resize, but shrinking does not smooth.
 */
export function resize(size: Size, options: ResizeOptions = {}): Transform {
  const { interpolation: mode = "bilinear" } = checkOptions("resize", options, { interpolation: "any" });
  if (mode !== "bilinear" && mode !== "nearest") {
    throw new ValueError(`resize: interpolation must be bilinear or nearest, got ${String(mode)}`);
  }
  const [height, width] = sizeOfImage("resize", size);
  return ofInputs("resize", (x) => {
    const [, , H, W] = imageShape("resize", x);
    const short = Math.min(H, W);
    const wanted =
      typeof size === "number"
        ? ([Math.floor((H * size) / short), Math.floor((W * size) / short)] as const)
        : ([height, width] as const);
    return wanted[0] === H && wanted[1] === W ? x : upsample(x, { size: wanted, mode });
  });
}

/** The middle of images; what is smaller gets zeros around it. torchvision's CenterCrop. */
export function centerCrop(size: Size): Transform {
  const wanted = sizeOfImage("centerCrop", size);
  return ofInputs("centerCrop", (x) => middleOf(x, wanted, 0));
}

/** The middle of images [N, C, H, W], with `fill` around what is too small. */
export function middleOf(x: Tensor, size: readonly [number, number], fill: number): Tensor {
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

/** Half of a whole number, rounded as Python does: what torchvision's crop begins at. */
function halfToEven(n: number): number {
  const half = Math.floor(n / 2);
  return n % 2 === 0 ? half : half + (half % 2);
}

/**
 * (x - mean) / std, numbers or one per channel (second axis of the batch). torchvision's Normalize. Throws ValueError on
 * a std that is not above 0.
 */
export function normalize(mean: number | readonly number[], std: number | readonly number[]): Transform {
  for (const v of [mean, std]) {
    if (typeof v !== "number" && !Array.isArray(v)) {
      throw new ValueError(`normalize: mean and std must be numbers or arrays of them, got ${shown(v)}`);
    }
  }
  const [means, stds] = [mean, std].map((v) => (typeof v === "number" ? [v] : [...v])) as [
    number[],
    number[],
  ];
  if (![...means, ...stds].every(Number.isFinite) || !stds.every((v) => v > 0)) {
    throw new ValueError(
      `normalize: needs finite means and deviations above 0, got [${means}] and [${stds}]`,
    );
  }
  return ofInputs("normalize", (x) => {
    const channels = x.shape[1] ?? 1;
    const each = (values: readonly number[]) => {
      if (values.length !== 1 && values.length !== channels) {
        throw new ShapeError(
          `normalize: needs one number or ${channels}, one per channel, got ${values.length}`,
        );
      }
      const shape = [values.length, ...x.shape.slice(2).map(() => 1)];
      return constant(Float64Array.from(values), shape, "normalize");
    };
    return mul(sub(x, each(means)), each(stds.map((v) => 1 / v)));
  });
}
