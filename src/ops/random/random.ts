/**
 * Random tensors and dropout, drawn on the device by counter: the words follow from a key, the step, the number of
 * the use (its stream) and the place in the tensor, and from nothing else. So every backend draws the same, every
 * step draws anew, the backward pass draws the forward pass's mask again, and nothing is stored.
 */

import { ValueError } from "../../common/errors.ts";
import { cosSin2Pi, logOfFraction } from "../../common/math-exact.ts";
import { checkOptions, type OptionKinds, shown } from "../../common/options.ts";
import { lowbias32 } from "../../common/permutation.ts";
import { threefry2x32Into, uniformFromU32 } from "../../common/random.ts";
import type { KernelEnv, KernelPlan } from "../../graph/kernel.ts";
import {
  type DefinedOp,
  defineOp,
  expectSpec,
  expectTensor,
  expectWhole,
  shapeError,
} from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import { checkShape, type Data, type Shape, type Spec, sizeOf } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { mul } from "../elementwise/arithmetic.ts";
import { ones } from "../elementwise/fill.ts";
import { expectOne, UPDATE_VARIANTS, updateGrid } from "../state/packed-update.ts";

const code = () => import("../../../shaders/random/random.wgsl?raw");
const functions = () => import("../../../shaders/random/random-functions.wgsl?raw");

const shader = /* @__PURE__ */ new Shader("random.wgsl", code, functions);

/** What random ops draw from. Every use has a number of its own, so that no two draw alike. */
export class RandomSource {
  #uses = 0;

  /** `step`: u32 `[1]`, a state that an update moves on. `key`: u32 `[2]`, the seed. */
  constructor(
    readonly step: Tensor,
    readonly key: Tensor,
  ) {}

  /** The number of the next use. */
  stream(): number {
    return this.#uses++;
  }
}

/** Refuses what is no RandomSource. */
export function checkSource(who: string, source: unknown): void {
  if (source instanceof RandomSource) return;
  throw new ValueError(`${who}: needs a RandomSource to draw from, got ${shown(source)}`);
}

type Kind = "uniform" | "normal" | "bernoulli" | "choice";

/** So that a word's upper half times this stays below 2^32. */
const MOST_CHOICES = 65536;

interface DrawAttrs {
  readonly kind: Kind;
  readonly shape: Shape;
  readonly stream: number;
  /** Least value, mean or, with bernoulli, unused. */
  readonly low: number;
  /** Width of the range, standard deviation or chance. */
  readonly width: number;
}

export const drawOp: DefinedOp<DrawAttrs> = defineOp({
  name: "draw",
  args: ["step", "key", "values"],
  results: ["y"],
  variants: UPDATE_VARIANTS,
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
  kernels({ kind, COUNT }, env) {
    const entry = kind === "uniform" ? "uniform_" : kind;
    const bind = kind === "choice" ? ["step", "key", "values", "y"] : ["step", "key", "y"];
    return drawKernels(entry, bind, COUNT, env);
  },
});

interface DropoutAttrs {
  readonly p: number;
  readonly stream: number;
}

export const dropoutOp: DefinedOp<DropoutAttrs> = defineOp({
  name: "dropout",
  args: ["x", "step", "key"],
  results: ["y"],
  variants: UPDATE_VARIANTS,
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
  kernels: ({ COUNT }, env) => drawKernels("dropout", ["x", "step", "key", "y"], COUNT, env),
  // Dropout is linear in x, and the same words come again: the gradient is dropout of dy.
  backward: ({ inputs: [, step, key], grads: [dy], attrs }) => [
    dropoutOp.one([dy!, step!, key!], attrs, "dropoutBackward"),
  ],
});

function drawKernels(entry: string, bind: readonly string[], count: number, env: KernelEnv): KernelPlan {
  const { PER, groups } = updateGrid(count, env);
  return { kernels: [{ shader, entry, bind, constants: { PER }, groups }] };
}

/** A chance in 2^-24, rounded. */
function chanceOf(p: number): number {
  return Math.round(p * 2 ** 24);
}

/** Checks what a random op draws from; `STREAM` tells its words from other uses'. */
export function streamOf(op: string, step: Spec | undefined, key: Spec | undefined, stream: number) {
  expectOne(op, "step", step, "u32");
  expectSpec(op, "key", key, 1, "u32");
  // Hashed, so that no stream is another seed's, and none is that of first values (the key as it is).
  return { STREAM: lowbias32(expectWhole(op, "stream", stream, 0) + 1) };
}

const words = new Uint32Array(2);

/** The two words of elements i and i + 1, i even. */
function wordsOf(key: Data, stream: number, step: Data, i: number): [number, number] {
  threefry2x32Into(words, 0, (key[0]! ^ stream) >>> 0, key[1]!, i / 2, step[0]!);
  return [words[0]!, words[1]!];
}

/** Box and Muller: two normal numbers of two words. */
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
 * Muller's method with a logarithm and a cosine of our own, so that adapters agree to about 1e-6 standard deviations.
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
 * `values` picked at random, f32 of `shape`, each equally likely (to 2^-16) and any number of times; new at every step and
 * the same on every backend. NumPy's random.choice. Throws ValueError on none or more than 65536 values.
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
 * Zeroes each element of f32 `x` with chance `p` and scales the others by 1 / (1 - p), another choice at every step.
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
