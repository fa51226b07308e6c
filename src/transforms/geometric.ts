/**
 * Random crops, flips, shifts and turns of images, each sample by its own numbers. Neighbours in a `compose` become one
 * affine map and one dispatch: pixels are looked up once, so nothing blurs twice, and what one step moves out of sight
 * the next may bring back. In evaluation they do nothing, but that a random crop is the centre's.
 */
import { ShapeError, ValueError } from "../common/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../common/options.ts";
import { pair } from "../geometry/conv.ts";
import { expectWhole } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";
import { isTraining, randomSource } from "../nn/mode.ts";
import { affineSample } from "../ops/index/affine-sample.ts";
import { type AffineRange, drawAffine } from "../ops/random/draw-affine.ts";
import { middleOf, type Size, sizeOfImage } from "./fixed.ts";
import { type Batch, imageShape, type Transform } from "./transform.ts";

type Pair = readonly [number, number];
type Drawn = { readonly range: AffineRange; readonly size: Pair };

export interface FillOptions {
  /** What comes in from outside of the image; default 0. */
  readonly fill?: number;
}

export interface InterpolationOptions extends FillOptions {
  /** Default bilinear (torchvision's is nearest). */
  readonly interpolation?: "bilinear" | "nearest";
}

const FILL = { fill: "number" } as const satisfies OptionKinds<FillOptions>;
const INTERPOLATION = { ...FILL, interpolation: "any" } as const satisfies OptionKinds<InterpolationOptions>;

/** A transform that is a random affine map. */
export class AffineTransform implements Transform {
  readonly fill: number;
  readonly nearest: boolean;

  /** `draw`: what to draw for images of this height and width, and the size that results. `onGrid`: pixels stay pixels. */
  constructor(
    readonly name: string,
    readonly draw: (height: number, width: number) => Drawn,
    readonly onGrid: boolean,
    { fill = 0, interpolation = "bilinear" }: InterpolationOptions = {},
  ) {
    if (!Number.isFinite(fill)) throw new ValueError(`${name}: fill must be finite, got ${fill}`);
    if (interpolation !== "bilinear" && interpolation !== "nearest") {
      throw new ValueError(
        `${name}: interpolation must be bilinear or nearest, got ${String(interpolation)}`,
      );
    }
    this.fill = fill;
    this.nearest = interpolation === "nearest";
  }

  /** Whether both can be one map. */
  goesWith(other: AffineTransform): boolean {
    return this.fill === other.fill && (this.onGrid || other.onGrid || this.nearest === other.nearest);
  }

  apply(batch: Batch): Batch {
    return { ...batch, x: applyAffine([this], batch.x) };
  }
}

/** `steps` in order as one map per sample; all of them go with each other. */
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
  if (!isTraining()) return size[0] === H && size[1] === W ? x : middleOf(x, size, first.fill);
  const theta = drawAffine(N, ranges, randomSource(first.name));
  // A map onto pixels needs no neighbours.
  const nearest = steps.every((step) => step.onGrid || step.nearest);
  return affineSample(x, theta, { size, fill: first.fill, interpolation: nearest ? "nearest" : "bilinear" });
}

export interface RandomCropOptions extends FillOptions {
  /** Pixels of `fill` around the image before it is cropped; default 0. */
  readonly padding?: number;
}

/**
 * A part of `size` at a random place of each image, every place equally likely. torchvision's RandomCrop. In evaluation
 * the centre. Throws ShapeError where the padded image is smaller.
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

/** Swaps left and right with chance `p`, default 1/2. torchvision's RandomHorizontalFlip. */
export function randomHorizontalFlip(p = 0.5): Transform {
  chance("randomHorizontalFlip", p);
  return same("randomHorizontalFlip", { flipX: p }, true);
}

/** Swaps top and bottom with chance `p`, default 1/2. torchvision's RandomVerticalFlip. */
export function randomVerticalFlip(p = 0.5): Transform {
  chance("randomVerticalFlip", p);
  return same("randomVerticalFlip", { flipY: p }, true);
}

/** Moves by up to `maxPixels` whole pixels each way, all equally likely; a number or [across, down]. */
export function randomShift(maxPixels: number | Pair, options: FillOptions = {}): Transform {
  checkOptions("randomShift", options, FILL);
  const [x, y] = pair("randomShift", "maxPixels", maxPixels, 0);
  return same("randomShift", { x: [-x, x], y: [-y, y] }, true, options);
}

/**
 * Turns about the centre by an angle between -degrees and degrees, or of a range (counter-clockwise).
 * torchvision's RandomRotation, but for bilinear interpolation by default.
 */
export function randomRotation(degrees: number | Pair, options: InterpolationOptions = {}): Transform {
  checkOptions("randomRotation", options, INTERPOLATION);
  const [low, high] = around("randomRotation", "degrees", degrees, 360);
  return same("randomRotation", { degrees: [-high, -low] }, false, options);
}

export interface RandomAffineOptions extends InterpolationOptions {
  /** Between -degrees and degrees, or of a range (clockwise); default 0. */
  readonly degrees?: number | Pair;
  /** Shares of width and height, each within [0, 1], by which images move at most, in whole pixels; default none. */
  readonly translate?: Pair;
  /** Range of sizes, within [1/8, 8]; default [1, 1]. */
  readonly scale?: Pair;
  /** Degrees along x, between -shear and shear, or of a range; below 90; default 0. */
  readonly shear?: number | Pair;
}

/** Turns, moves, scales and shears about the centre. torchvision's RandomAffine, but for bilinear interpolation by default. */
export function randomAffine(options: RandomAffineOptions): Transform {
  const {
    degrees = 0,
    translate = [0, 0],
    scale = [1, 1],
    shear = 0,
    ...rest
  } = checkOptions("randomAffine", options, {
    ...INTERPOLATION,
    degrees: "numbers",
    translate: "array",
    scale: "array",
    shear: "numbers",
  });
  const who = "randomAffine";
  const turn = around(who, "degrees", degrees, 360);
  const slant = around(who, "shear", shear, 89);
  if (!translate.every((share) => share >= 0 && share <= 1)) {
    throw new ValueError(`${who}: translate must be shares within [0, 1], got [${translate}]`);
  }
  range(who, "scale", scale, 1 / 8, 8);
  const draw = (height: number, width: number): Drawn => {
    const [x, y] = [Math.round(translate[0] * width), Math.round(translate[1] * height)];
    return {
      size: [height, width],
      range: { degrees: turn, scale, shear: slant, x: [-x, x], y: [-y, y] },
    };
  };
  return new AffineTransform(who, draw, false, rest);
}

function same(name: string, range: AffineRange, onGrid: boolean, options?: InterpolationOptions): Transform {
  return new AffineTransform(name, (height, width) => ({ range, size: [height, width] }), onGrid, options);
}

function chance(who: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new ValueError(`${who}: p must be in [0, 1], got ${shown(p)}`);
}

/** [-value, value], or a range. */
function around(who: string, name: string, value: number | Pair, most: number): Pair {
  return range(who, name, typeof value === "number" ? [-value, value] : value, -most, most);
}

function range(who: string, name: string, values: Pair, least: number, most: number): Pair {
  if (!(Array.isArray(values) && values.length === 2)) {
    throw new ValueError(`${who}: ${name} must be [low, high], got ${shown(values)}`);
  }
  const [low, high] = values;
  if (!(low >= least && low <= high && high <= most)) {
    throw new ValueError(`${who}: ${name} must lie within [${least}, ${most}], got [${low}, ${high}]`);
  }
  return [low, high];
}
