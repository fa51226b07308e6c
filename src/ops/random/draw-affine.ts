/**
 * Random affine maps, one per sample, for `affineSample`: any number of random flips, rotations, scalings, shears and shifts in
 * sequence, multiplied in one dispatch. Integer arithmetic only (16.16 fixed point, CORDIC for the angles), drawn by counter like
 * every random op here: the same bits on every backend, and again when a run is resumed.
 */

import { type DefinedOp, defineOp, expectSpec, expectWhole } from "../../graph/op.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { drawAffineKernels } from "../../kernels/random/random.ts";
import { threefry2x32 } from "../../numbers/random.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { checkSource, DRAW, type DrawOptions, type RandomSource, streamOf } from "./random.ts";

/** 1 in fixed point. */
const ONE = 65536;
/** Numbers per row of `ranges`. */
const ROW = 12;

type Matrix = readonly [xx: number, xy: number, yx: number, yy: number];
type Pair = readonly [number, number];

interface Attrs {
  readonly count: number;
  readonly stream: number;
}

export const drawAffineOp: DefinedOp<Attrs> = defineOp({
  name: "drawAffine",
  args: ["ranges", "step", "key"],
  results: ["theta"],
  plan([ranges, step, key], { count, stream }: Attrs) {
    expectWhole("drawAffine", "count", count, 1);
    const { shape } = expectSpec("drawAffine", "ranges", ranges, 2, "i32");
    if (shape[1] !== ROW) throw new ShapeError(`drawAffine: ranges must be [steps, ${ROW}], got [${shape}]`);
    return {
      outputs: [{ shape: [count, 2, 3], dtype: "i32" }],
      constants: { N: count, STEPS: shape[0]!, ...streamOf("drawAffine", step, key, stream) },
    };
  },
  cpu({ ranges, step, key, theta }, { N, STEPS, STREAM }) {
    for (let n = 0; n < N; n++) {
      let m: Matrix = [ONE, 0, 0, ONE];
      let t: Pair = [0, 0];
      for (let k = 0; k < STEPS; k++) {
        const words = [0, 1, 2, 3].flatMap((j) =>
          threefry2x32((key[0]! ^ STREAM) >>> 0, key[1]!, (n * STEPS + k) * 4 + j, step[0]!),
        );
        const [a, moved] = drawStep(ranges.subarray(k * ROW, (k + 1) * ROW) as Int32Array, words);
        const [dx, dy] = transformed(m, moved);
        t = [t[0] + dx, t[1] + dy];
        const columns = [transformed(m, [a[0], a[2]]), transformed(m, [a[1], a[3]])] as const;
        m = [columns[0][0], columns[1][0], columns[0][1], columns[1][1]];
      }
      theta.set([m[0], m[1], t[0], m[2], m[3], t[1]], 6 * n);
    }
  },
  kernels: drawAffineKernels,
});

/** The map of one step, from positions in its result to positions in its input. */
function drawStep(range: Int32Array, words: readonly number[]): readonly [Matrix, Pair] {
  const part = (i: number) => words[i]! >>> 16;
  const flip = (i: number) => (words[i]! >>> 8 < range[i]! ? -1 : 1);
  const angle = range[2]! + range[3]! * part(2);
  const scale = range[4]! + fixedMul(range[5]!, part(3));
  const [shearCos, shearSin] = cosSin(range[6]! + range[7]! * part(4));
  const whole = (i: number, at: number) => range[at]! + Math.floor((part(i) * range[at + 1]!) / ONE) * ONE;
  const shift = [whole(5, 8), whole(6, 10)] as const;
  const [cos, sin] = cosSin(angle).map((v) => (v + 0x800) >> 12) as [number, number];
  const shear = fixedDiv(shearSin, shearCos);
  // The inverse of scaling, then shearing, then rotating; then the flips.
  const a: Matrix = [
    flip(0) * fixedDiv(cos - fixedMul(sin, shear), scale),
    flip(0) * fixedDiv(sin + fixedMul(cos, shear), scale),
    flip(1) * fixedDiv(-sin, scale),
    flip(1) * fixedDiv(cos, scale),
  ];
  const [x, y] = transformed(a, shift);
  return [a, [-x, -y]];
}

function transformed(m: Matrix, [x, y]: Pair): Pair {
  return [fixedMul(m[0], x) + fixedMul(m[1], y), fixedMul(m[2], x) + fixedMul(m[3], y)];
}

/** Exact: products stay below 2^53. */
const fixedMul = (a: number, b: number) => Math.floor((a * b) / ONE);
const fixedDiv = (a: number, b: number) => Math.trunc((a * ONE) / b);

/** arctan(2^-i) in 2^-32 turns. */
const ARCS = Array.from({ length: 24 }, (_, i) => Math.round((Math.atan(2 ** -i) / (2 * Math.PI)) * 2 ** 32));
/** 2^28 divided by the factor by which the rotations of CORDIC lengthen a vector. */
const LENGTH = 163008218;

/** [cos, sin] of an angle in 2^-32 turns, in units of 2^-28: CORDIC within an eighth of the nearest quarter turn. */
function cosSin(angle: number): [cos: number, sin: number] {
  const quarter = ((angle + 0x20000000) >>> 30) & 3;
  let rest = (angle - quarter * 2 ** 30) | 0;
  let [x, y] = [LENGTH, 0];
  ARCS.forEach((arc, i) => {
    const turn = rest >= 0 ? 1 : -1;
    [x, y] = [x - turn * (y >> i), y + turn * (x >> i)];
    rest -= turn * arc;
  });
  return quarter === 0 ? [x, y] : quarter === 1 ? [-y, x] : quarter === 2 ? [-x, -y] : [y, -x];
}

/** One random map of an image, each part uniform in its range; parts not given have no effect. */
export interface AffineRange {
  /** Probability of swapping left and right. */
  readonly flipX?: number;
  /** Probability of swapping top and bottom. */
  readonly flipY?: number;
  /** Clockwise, about the centre. */
  readonly degrees?: Pair;
  /** Factor, about the centre; from 1/8 to 8. */
  readonly scale?: Pair;
  /** Along x, in degrees between -90 and 90. */
  readonly shear?: Pair;
  /** Shift to the right in pixels, least and most, in steps of 1 from the least. */
  readonly x?: Pair;
  /** Shift down, likewise. */
  readonly y?: Pair;
}

const RANGE = {
  flipX: "number",
  flipY: "number",
  degrees: "array",
  scale: "array",
  shear: "array",
  x: "array",
  y: "array",
} as const satisfies OptionKinds<AffineRange>;

/** A row of `ranges` as draw-affine.wgsl reads it; each range as its least value and its width. */
function rowOf(range: AffineRange): number[] {
  const {
    flipX = 0,
    flipY = 0,
    degrees = [0, 0],
    scale = [1, 1],
    shear = [0, 0],
    x = [0, 0],
    y = [0, 0],
  } = range;
  const refuse = (what: string): never => {
    throw new ValueError(`drawAffine: ${what}`);
  };
  for (const chance of [flipX, flipY]) {
    if (!(chance >= 0 && chance <= 1)) refuse(`a chance must be in [0, 1], got ${chance}`);
  }
  const check = (name: string, [low, high]: Pair, least: number, most: number) => {
    if (!(low >= least && low <= high && high <= most)) {
      refuse(`${name} must be a range within [${least}, ${most}], got [${low}, ${high}]`);
    }
  };
  check("degrees", degrees, -360, 360);
  if (degrees[1] - degrees[0] > 360) refuse(`degrees must span at most a turn, got [${degrees}]`);
  check("scale", scale, 1 / 8, 8);
  check("shear", shear, -89, 89);
  check("x", x, -8192, 8192);
  check("y", y, -8192, 8192);
  const turns = ([low, high]: Pair) => [
    Math.round((low / 360) * 2 ** 32) | 0,
    Math.round(((high - low) / 360) * ONE),
  ];
  const fixed = ([low, high]: Pair) => [Math.round(low * ONE), Math.round((high - low) * ONE)];
  const whole = ([low, high]: Pair) => [Math.round(low * ONE), Math.floor(high - low) + 1];
  const chances = [flipX, flipY].map((p) => Math.round(p * 2 ** 24));
  return [...chances, ...turns(degrees), ...fixed(scale), ...turns(shear), ...whole(x), ...whole(y)];
}

/**
 * Maps for `count` samples, i32 [count, 2, 3] as `affineSample` takes them, that apply `ranges` in order, each drawn anew for
 * every sample at every step. Throws ValueError on an invalid range.
 */
export function drawAffine(
  count: number,
  ranges: readonly AffineRange[],
  source: RandomSource,
  options: DrawOptions = {},
): Tensor {
  checkSource("drawAffine", source);
  const { stream = source.stream() } = checkOptions("drawAffine", options, DRAW);
  for (const range of ranges) checkOptions("drawAffine: ranges", range, RANGE);
  const rows = constant(Int32Array.from(ranges.flatMap(rowOf)), [ranges.length, ROW], "affine ranges");
  return drawAffineOp.one([rows, source.step, source.key], { count, stream });
}
