/** The answers of a predictor: what users choose of the outputs that were read from the device. */

import { type DType, formatShape, type Shape, type Spec, sizeOf } from "../../graph/spec.ts";
import { shares } from "../../numbers/softmax.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { shown } from "../../validation/options.ts";
import type { Predictions } from "./samples.ts";

export interface AnswerOptions {
  /**
   * `"raw"`: what the model gives. Probabilities: `"softmax"` over axis 1, the classes, or `"sigmoid"` of each value. Default
   * "raw", with `topK` "softmax".
   */
  readonly output?: "raw" | "softmax" | "sigmoid";
  /** Only the so many classes with the highest scores, for models with one score per class. */
  readonly topK?: number;
  /** Names of the classes, in their order; default their numbers. */
  readonly classNames?: readonly string[];
}

/** One of the `topK` classes of a sample. */
export interface ClassScore {
  readonly index: number;
  readonly name: string;
  /** A probability, unless the output is "raw". */
  readonly score: number;
}

/** An output of a model with several: its `values` are a Float32Array for f32, an Int32Array for i32, a Uint32Array for u32. */
export interface NamedPredictions {
  readonly values: Float32Array | Int32Array | Uint32Array;
  /** Of one sample's part of `values`. */
  readonly shape: Shape;
}

/** The answer with outputs `Y` of the model and options `O`. */
export type AnswerOf<Y, O> = O extends { readonly topK: number }
  ? readonly (readonly ClassScore[])[]
  : Y extends { readonly dtype: DType }
    ? Predictions
    : { readonly [Name in keyof Y]: NamedPredictions };

/** An output, [capacity, …sample]. */
export interface KnownOutput extends Spec {
  readonly name: string;
}

/** Makes answers of the values of all samples, one array per output. */
export type Answer = (values: readonly NamedPredictions["values"][]) => unknown;

/** Throws ValueError or ShapeError where `options` do not suit the outputs. `single`: one without a name. */
export function answerFor(
  who: string,
  outputs: readonly KnownOutput[],
  single: boolean,
  { output, topK, classNames }: AnswerOptions,
): Answer {
  const [first] = outputs as [KnownOutput];
  const shape = first.shape.slice(1);
  const kind = output ?? (topK === undefined ? "raw" : "softmax");
  if (!single) {
    if (output !== undefined || topK !== undefined) {
      throw new ValueError(
        `${who}: output and topK are for models with one output, got ${outputs.map(({ name }) => name).join(", ")}; ` +
          "compute probabilities in the model",
      );
    }
    return (values) =>
      Object.fromEntries(
        outputs.map(({ name, shape }, i) => [name, { values: values[i], shape: shape.slice(1) }]),
      );
  }
  if (first.dtype !== "f32") {
    throw new ValueError(
      `${who}: the model's output is ${first.dtype}${formatShape(first.shape)}, not f32; let it give a record, { name: output }`,
    );
  }
  const [classes = 1] = shape;
  if (kind === "softmax" && (shape.length === 0 || classes === 1)) {
    throw new ShapeError(
      `${who}: softmax needs several classes on axis 1, got ${formatShape(first.shape)}; for one output take "sigmoid"`,
    );
  }
  if (classNames !== undefined && classNames.length !== classes) {
    throw new ValueError(
      `${who}: classNames must have ${classes} names, one per class of ${formatShape(first.shape)}, got ${classNames.length}`,
    );
  }
  const scores = ([values]: Parameters<Answer>[0]): Float32Array => {
    const raw = values as Float32Array;
    if (kind === "softmax") return Float32Array.from(shares(raw, classes, sizeOf(shape) / classes));
    return kind === "sigmoid" ? raw.map(sigmoid) : raw;
  };
  if (topK === undefined) return (values) => ({ values: scores(values), shape });
  if (!Number.isInteger(topK) || topK < 1 || topK > classes || shape.length !== 1) {
    throw new ValueError(
      `${who}: topK must be a whole number from 1 to the number of classes, for outputs [N, classes], got ${shown(topK)} for ` +
        `outputs ${formatShape(first.shape)}`,
    );
  }
  const nameOf = (index: number) => classNames?.[index] ?? String(index);
  return (values) => {
    const all = scores(values);
    return Array.from({ length: all.length / classes }, (_, i) =>
      largest(all.subarray(i * classes, (i + 1) * classes), topK).map(([index, score]) => ({
        index,
        name: nameOf(index),
        score,
      })),
    );
  };
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

/** The `k` largest with their indices, in falling order; of equal ones the first. As in PyTorch, NaN counts as the largest. */
function largest(row: Float32Array, k: number): [index: number, value: number][] {
  const best: [number, number][] = [];
  row.forEach((value, index) => {
    if (best.length === k && !isAbove(value, (best.at(-1) as [number, number])[1])) return;
    let at = best.length;
    while (at > 0 && isAbove(value, (best[at - 1] as [number, number])[1])) at--;
    best.splice(at, 0, [index, value]);
    if (best.length > k) best.pop();
  });
  return best;
}

const isAbove = (a: number, b: number): boolean => a > b || (Number.isNaN(a) && !Number.isNaN(b));
