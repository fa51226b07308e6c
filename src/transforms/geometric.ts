/**
 * Random crops, flips, shifts and rotations of images, with random numbers of its own for each sample. Neighbours in a
 * `compose` become one affine map and one dispatch: pixels are sampled once, so they are not blurred twice, and a later
 * step can bring back what an earlier one moved out of the image. In evaluation they do nothing, except that a random crop
 * becomes a centre crop.
 */

import { pair } from "../geometry/conv.ts";
import { expectWhole } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";
import { isTraining, randomSource } from "../nn/build-mode.ts";
import { affineSample } from "../ops/index/affine-sample.ts";
import { type AffineRange, drawAffine } from "../ops/random/draw-affine.ts";
import { ShapeError } from "../validation/errors.ts";
import { expectValue } from "../validation/expect.ts";
import { checkOptions, type OptionKinds, shown } from "../validation/options.ts";
import { cropCenter, type Size, sizeOfImage } from "./fixed.ts";
import { type Batch, imageShape, type Transform } from "./transform.ts";

type Pair = readonly [number, number];
type Drawn = { readonly range: AffineRange; readonly size: Pair };

export interface FillOptions {
  /** Value of pixels outside the image; default 0. */
  readonly fill?: number;
}

export interface InterpolationOptions extends FillOptions {
  /** Default bilinear (torchvision's is nearest). */
  readonly interpolation?: "bilinear" | "nearest";
}

const FILL = { fill: "number" } as const satisfies OptionKinds<FillOptions>;
const INTERPOLATION = {
  ...FILL,
  interpolation: ["bilinear", "nearest"],
} as const satisfies OptionKinds<InterpolationOptions>;

/** A transform that is a random affine map. */
export class AffineTransform implements Transform {
  readonly fill: number;
  readonly nearest: boolean;

  /**
   * `draw`: the range of maps for images of this height and width, and the size of the result. `onGrid`: whether maps take
   * pixels exactly to pixels, so that no interpolation is needed.
   */
  constructor(
    readonly name: string,
    readonly draw: (height: number, width: number) => Drawn,
    readonly onGrid: boolean,
    { fill = 0, interpolation = "bilinear" }: InterpolationOptions = {},
  ) {
    expectValue(Number.isFinite(fill), `${name}: fill must be finite, got ${fill}`);
    this.fill = fill;
    this.nearest = interpolation === "nearest";
  }

  /** Whether both can be merged into one map. */
  canMergeWith(other: AffineTransform): boolean {
    return this.fill === other.fill && (this.onGrid || other.onGrid || this.nearest === other.nearest);
  }

  apply(batch: Batch): Batch {
    return { ...batch, x: applyAffine([this], batch.x) };
  }
}

/** Applies `steps`, which can be merged, in order as one map per sample. */
export function applyAffine(steps: readonly AffineTransform[], x: Tensor): Tensor {
  const [first] = steps;
  if (first === undefined) return x;
  const [N, , H, W] = imageShape(first.name, x);
  let size: Pair = [H, W];
  const ranges = steps.map((step) => {
    const drawn = step.draw(...size);
    size = drawn.size;
    return drawn.range;
  });
  if (!isTraining()) return size[0] === H && size[1] === W ? x : cropCenter(x, size, first.fill);
  const theta = drawAffine(N, ranges, randomSource(first.name));
  const nearest = steps.every((step) => step.onGrid || step.nearest);
  return affineSample(x, theta, { size, fill: first.fill, interpolation: nearest ? "nearest" : "bilinear" });
}

export interface RandomCropOptions extends FillOptions {
  /** Pixels of `fill` around the image before it is cropped; default 0. */
  readonly padding?: number;
}

/**
 * Crops each image to `size` at a random place, all equally likely; in evaluation to its centre. torchvision's RandomCrop.
 * Throws ShapeError where the padded image is smaller.
 */
export function randomCrop(size: Size, options: RandomCropOptions = {}): Transform {
  const { padding = 0, ...rest } = checkOptions("randomCrop", options, { ...FILL, padding: "number" });
  const wanted = sizeOfImage("randomCrop", size);
  expectWhole("randomCrop", "padding", padding, 0);
  const draw = (height: number, width: number): Drawn => {
    const room = [height + 2 * padding - wanted[0], width + 2 * padding - wanted[1]] as const;
    if (Math.min(...room) < 0) {
      throw new ShapeError(
        `randomCrop: images of ${height} x ${width} with ${padding} around them have no part of ${wanted[0]} x ${wanted[1]}`,
      );
    }
    return { size: wanted, range: { y: [-room[0] / 2, room[0] / 2], x: [-room[1] / 2, room[1] / 2] } };
  };
  return new AffineTransform("randomCrop", draw, true, rest);
}

/** Mirrors left and right with probability `p`, default 1/2. torchvision's RandomHorizontalFlip. */
export function randomHorizontalFlip(p = 0.5): Transform {
  checkProbability("randomHorizontalFlip", p);
  return sameSize("randomHorizontalFlip", { flipX: p }, true);
}

/** Mirrors top and bottom with probability `p`, default 1/2. torchvision's RandomVerticalFlip. */
export function randomVerticalFlip(p = 0.5): Transform {
  checkProbability("randomVerticalFlip", p);
  return sameSize("randomVerticalFlip", { flipY: p }, true);
}

/** Shifts by up to `maxPixels` whole pixels in each direction, all equally likely; a number or [horizontal, vertical]. */
export function randomShift(maxPixels: number | Pair, options: FillOptions = {}): Transform {
  checkOptions("randomShift", options, FILL);
  const [x, y] = pair("randomShift", "maxPixels", maxPixels, 0);
  return sameSize("randomShift", { x: [-x, x], y: [-y, y] }, true, options);
}

/**
 * Rotates counter-clockwise about the centre by an angle between -degrees and degrees, or in a range. torchvision's
 * RandomRotation, but bilinear by default.
 */
export function randomRotation(degrees: number | Pair, options: InterpolationOptions = {}): Transform {
  checkOptions("randomRotation", options, INTERPOLATION);
  const [low, high] = around("randomRotation", "degrees", degrees, 360);
  return sameSize("randomRotation", { degrees: [-high, -low] }, false, options);
}

export interface RandomAffineOptions extends InterpolationOptions {
  /** Rotation between -degrees and degrees, or in a range (clockwise); default 0. */
  readonly degrees?: number | Pair;
  /** Largest shift as shares of width and height, each within [0, 1], rounded to whole pixels; default none. */
  readonly translate?: Pair;
  /** Range of scales, within [1/8, 8]; default [1, 1]. */
  readonly scale?: Pair;
  /** Degrees along x, between -shear and shear, or in a range; below 90; default 0. */
  readonly shear?: number | Pair;
}

const RANDOM_AFFINE = {
  ...INTERPOLATION,
  degrees: "numbers",
  translate: "array",
  scale: "array",
  shear: "numbers",
} as const satisfies OptionKinds<RandomAffineOptions>;

/** Rotates, shifts, scales and shears about the centre. torchvision's RandomAffine, but bilinear by default. */
export function randomAffine(options: RandomAffineOptions): Transform {
  const who = "randomAffine";
  const { translate = [0, 0], scale = [1, 1], ...rest } = checkOptions(who, options, RANDOM_AFFINE);
  const degrees = around(who, "degrees", rest.degrees ?? 0, 360);
  const shear = around(who, "shear", rest.shear ?? 0, 89);
  expectValue(
    translate.every((share) => share >= 0 && share <= 1),
    `${who}: translate must be shares within [0, 1], got [${translate}]`,
  );
  range(who, "scale", scale, 1 / 8, 8);
  const draw = (height: number, width: number): Drawn => {
    const [x, y] = [Math.round(translate[0] * width), Math.round(translate[1] * height)];
    return { size: [height, width], range: { degrees, scale, shear, x: [-x, x], y: [-y, y] } };
  };
  return new AffineTransform(who, draw, false, rest);
}

/** A transform whose maps keep the size and don't depend on it. */
function sameSize(
  name: string,
  range: AffineRange,
  onGrid: boolean,
  options?: InterpolationOptions,
): Transform {
  return new AffineTransform(name, (height, width) => ({ range, size: [height, width] }), onGrid, options);
}

function checkProbability(who: string, p: number): void {
  expectValue(p >= 0 && p <= 1, `${who}: p must be in [0, 1], got ${shown(p)}`);
}

/** The range [-value, value], or the range given. */
function around(who: string, name: string, value: number | Pair, most: number): Pair {
  return range(who, name, typeof value === "number" ? [-value, value] : value, -most, most);
}

function range(who: string, name: string, values: Pair, least: number, most: number): Pair {
  const isPair = Array.isArray(values) && values.length === 2;
  expectValue(isPair, `${who}: ${name} must be [low, high], got ${shown(values)}`);
  const [low, high] = values;
  expectValue(
    low >= least && low <= high && high <= most,
    `${who}: ${name} must lie within [${least}, ${most}], got [${low}, ${high}]`,
  );
  return [low, high];
}
