/**
 * Random tensors and dropout, drawn on the device by counter: random words depend on a key, the step, the number of the use
 * (its stream) and the position in the tensor only. So every backend draws the same numbers, every step draws new ones, and
 * the backward pass of dropout draws the same mask again, which needs no storage.
 */

import {
  type DefinedOp,
  defineOp,
  expectOne,
  expectSpec,
  expectTensor,
  expectWhole,
  shapeError,
} from "../../graph/op.ts";
import { checkShape, type Data, type Shape, type Spec, sizeOf } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { GRID_VARIANTS } from "../../kernels/elementwise/grid.ts";
import { drawKernels, dropoutKernels } from "../../kernels/random/random.ts";
import { cosSin2Pi, logOfFraction } from "../../numbers/math-exact.ts";
import { lowbias32 } from "../../numbers/permutation.ts";
import { threefry2x32Into, uniformFromU32 } from "../../numbers/random.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../../validation/options.ts";
import { mul } from "../elementwise/arithmetic.ts";
import { ones } from "../elementwise/fill.ts";

/** What random ops draw from. Every use has a number of its own, so that no two uses draw the same numbers. */
export class RandomSource {
  #uses: number;

  /** `step`: u32 `[1]`, a state that an update increments. `key`: u32 `[2]`, the seed. `first`: number of the first use. */
  constructor(
    readonly step: Tensor,
    readonly key: Tensor,
    first = 0,
  ) {
    this.#uses = first;
  }

  /** The number of the next use. */
  stream(): number {
    return this.#uses++;
  }
}

/** Throws ValueError on anything but a RandomSource. */
export function checkSource(who: string, source: unknown): void {
  if (source instanceof RandomSource) return;
  throw new ValueError(`${who}: needs a RandomSource to draw from, got ${shown(source)}`);
}

type Kind = "uniform" | "normal" | "bernoulli" | "choice";

/** The upper half of a word times this must stay below 2^32. */
const MOST_CHOICES = 65536;

interface DrawAttrs {
  readonly kind: Kind;
  readonly shape: Shape;
  readonly stream: number;
  /** uniform: least value; normal: mean. */
  readonly low: number;
  /** uniform: width of the range; normal: standard deviation; bernoulli: probability of 1. */
  readonly width: number;
}

export const drawOp: DefinedOp<DrawAttrs> = defineOp({
  name: "draw",
  args: ["step", "key", "values"],
  results: ["y"],
  variants: GRID_VARIANTS,
  plan([step, key, values], { kind, shape, stream, low, width }: DrawAttrs) {
    checkShape(kind, shape);
    const CHANCE = kind === "bernoulli" ? chanceOf(width) : 0;
    const CHOICES = kind === "choice" ? expectSpec(kind, "values", values, 1).shape[0]! : 0;
    if (CHOICES > MOST_CHOICES) {
      throw new ValueError(`choice: takes at most ${MOST_CHOICES} values, got ${CHOICES}`);
    }
    const constants = { kind, COUNT: sizeOf(shape), low, width, CHANCE, CHOICES };
    return {
      outputs: [{ shape, dtype: "f32" }],
      constants: { ...constants, ...streamOf(kind, step, key, stream) },
    };
  },
  cpu({ step, key, values, y }, { kind, COUNT, STREAM, low, width, CHANCE, CHOICES }) {
    for (let i = 0; i < COUNT; i += 2) {
      const pair = wordsOf(key, STREAM, step, i);
      const drawn = kind === "normal" ? normalPair(pair) : pair.map(uniformFromU32);
      for (let k = 0; k < 2 && i + k < COUNT; k++) {
        if (kind === "choice") y[i + k] = values[Math.floor(((pair[k]! >>> 16) * CHOICES) / 65536)]!;
        else y[i + k] = kind === "bernoulli" ? Number(pair[k]! >>> 8 < CHANCE) : low + width * drawn[k]!;
      }
    }
  },
  kernels: drawKernels,
});

interface DropoutAttrs {
  readonly p: number;
  readonly stream: number;
}

export const dropoutOp: DefinedOp<DropoutAttrs> = defineOp({
  name: "dropout",
  args: ["x", "step", "key"],
  results: ["y"],
  variants: GRID_VARIANTS,
  plan([x, step, key], { p, stream }: DropoutAttrs) {
    const { shape } = expectSpec("dropout", "x", x, x?.shape.length ?? 0);
    return {
      outputs: [{ shape, dtype: "f32" }],
      constants: {
        COUNT: sizeOf(shape),
        CHANCE: chanceOf(p),
        scale: p === 1 ? 0 : 1 / (1 - p),
        ...streamOf("dropout", step, key, stream),
      },
    };
  },
  cpu({ x, step, key, y }, { COUNT, STREAM, CHANCE, scale }) {
    for (let i = 0; i < COUNT; i += 2) {
      const pair = wordsOf(key, STREAM, step, i);
      for (let k = 0; k < 2 && i + k < COUNT; k++) {
        y[i + k] = pair[k]! >>> 8 < CHANCE ? 0 : x[i + k]! * scale;
      }
    }
  },
  kernels: dropoutKernels,
  // Dropout is linear in x, and the same words are drawn again: the gradient is dropout of dy.
  backward: ({ inputs: [, step, key], grads: [dy], attrs }) => [
    dropoutOp.one([dy!, step!, key!], attrs, "dropoutBackward"),
  ],
});

/** A chance in 2^-24, rounded. */
function chanceOf(p: number): number {
  return Math.round(p * 2 ** 24);
}

/** Checks what a random op draws from; the constant STREAM makes its words differ from those of other uses. */
export function streamOf(op: string, step: Spec | undefined, key: Spec | undefined, stream: number) {
  expectOne(op, "step", step, "u32");
  expectSpec(op, "key", key, 1, "u32");
  // Hashed, so that no stream equals a stream of another seed or that of initial values, which use the key unchanged.
  return { STREAM: lowbias32(expectWhole(op, "stream", stream, 0) + 1) };
}

const words = new Uint32Array(2);

/** The two words of elements i and i + 1, i even. */
function wordsOf(key: Data, stream: number, step: Data, i: number): [number, number] {
  threefry2x32Into(words, 0, (key[0]! ^ stream) >>> 0, key[1]!, i / 2, step[0]!);
  return [words[0]!, words[1]!];
}

/** Two normal numbers from two words, by the method of Box and Muller. */
function normalPair([a, b]: readonly [number, number]): number[] {
  const radius = Math.sqrt(-2 * logOfFraction((a >>> 8) + 1));
  return cosSin2Pi(uniformFromU32(b)).map((v) => radius * v);
}

export interface DrawOptions {
  /** Number of this use; default the source's next. Uses with the same number draw the same words. */
  readonly stream?: number;
}

export const DRAW = { stream: "number" } as const satisfies OptionKinds<DrawOptions>;

export interface UniformOptions extends DrawOptions {
  /** Default 0. */
  readonly low?: number;
  /** Default 1. */
  readonly high?: number;
}

export interface NormalOptions extends DrawOptions {
  /** Default 0. */
  readonly mean?: number;
  /** Default 1. */
  readonly standardDeviation?: number;
}

const UNIFORM = { ...DRAW, low: "number", high: "number" } as const;
const NORMAL = { ...DRAW, mean: "number", standardDeviation: "number" } as const;

/**
 * f32 numbers uniform in [low, high), in steps of 2^-24 of the width, new at every step. The same bits on every
 * backend where the width is a power of two; else an adapter may round the last one otherwise. Throws ValueError.
 */
export function uniform(shape: Shape, source: RandomSource, options: UniformOptions = {}): Tensor {
  checkSource("uniform", source);
  const { low = 0, high = 1, ...others } = checkOptions("uniform", options, UNIFORM);
  if (!(Number.isFinite(low) && Number.isFinite(high) && low <= high)) {
    throw new ValueError(`uniform: needs low <= high, both finite, got ${low} and ${high}`);
  }
  return draw("uniform", shape, source, others, low, high - low);
}

/**
 * f32 numbers from the normal distribution, new at every step; at most 5.8 standard deviations from the mean. Box and
 * Muller's method with Weft's own logarithm and cosine, so that adapters agree to about 1e-6 standard deviations.
 */
export function normal(shape: Shape, source: RandomSource, options: NormalOptions = {}): Tensor {
  checkSource("normal", source);
  const { mean = 0, standardDeviation = 1, ...others } = checkOptions("normal", options, NORMAL);
  if (!(Number.isFinite(mean) && Number.isFinite(standardDeviation) && standardDeviation >= 0)) {
    throw new ValueError(
      `normal: needs a finite mean and a standardDeviation of at least 0, got ${mean} and ${standardDeviation}`,
    );
  }
  return draw("normal", shape, source, others, mean, standardDeviation);
}

/** 1 with chance p, else 0, as f32; new at every step, the same on every backend. Throws ValueError. */
export function bernoulli(shape: Shape, p: number, source: RandomSource, options: DrawOptions = {}): Tensor {
  checkSource("bernoulli", source);
  return draw("bernoulli", shape, source, options, 0, chance("bernoulli", p));
}

/**
 * `values` picked at random with replacement, f32 of `shape`, each equally likely (to 2^-16); new at every step and the same
 * on every backend. NumPy's random.choice. Throws ValueError on none or more than 65536 values.
 */
export function choice(
  shape: Shape,
  values: readonly number[],
  source: RandomSource,
  options: DrawOptions = {},
): Tensor {
  checkSource("choice", source);
  const { stream = source.stream() } = checkOptions("choice", options, DRAW);
  if (!(values.length > 0 && values.every(Number.isFinite))) {
    throw new ValueError("choice: needs at least one value, all of them finite");
  }
  const table = constant(Float64Array.from(values), [values.length], "choices");
  const attrs = { kind: "choice", shape, stream, low: 0, width: 0 } as const;
  return drawOp.one([source.step, source.key, table], attrs, "choice");
}

function draw(
  kind: Kind,
  shape: Shape,
  source: RandomSource,
  options: DrawOptions,
  low: number,
  width: number,
): Tensor {
  const { stream = source.stream() } = checkOptions(kind, options, DRAW);
  return drawOp.one([source.step, source.key], { kind, shape, stream, low, width }, kind);
}

/**
 * Zeroes each element of f32 `x` with chance `p` and scales the others by 1 / (1 - p); which ones is drawn anew at every step.
 * PyTorch's torch.nn.functional.dropout in training. Throws ValueError on a p outside [0, 1].
 */
export function dropout(x: Tensor, p: number, source: RandomSource, options: DrawOptions = {}): Tensor {
  checkSource("dropout", source);
  const { stream = source.stream() } = checkOptions("dropout", options, DRAW);
  if (chance("dropout", p) === 0) return x;
  return dropoutOp.one([x, source.step, source.key], { p, stream });
}

/**
 * Zeroes whole channels of f32 `x` [N, C, …] with chance `p` and scales the others by 1 / (1 - p) (Tompson et al.,
 * 2015). Throws ValueError on a p outside [0, 1], ShapeError below two axes.
 */
export function dropout2d(x: Tensor, p: number, source: RandomSource, options: DrawOptions = {}): Tensor {
  expectTensor("dropout2d", "x", x);
  checkOptions("dropout2d", options, DRAW);
  if (x.rank < 2) throw shapeError("dropout2d", "x must be [N, C, …]", [x]);
  if (chance("dropout2d", p) === 0) return x;
  const perChannel = x.shape.map((d, axis) => (axis < 2 ? d : 1));
  return mul(x, dropout(ones(perChannel), p, source, options));
}

function chance(op: string, p: number): number {
  if (!(p >= 0 && p <= 1)) throw new ValueError(`${op}: p must be in [0, 1], got ${p}`);
  return p;
}
