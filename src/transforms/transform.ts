/**
 * Transforms change a batch between the data set and the model. They are part of the graph of a step, so they run on the
 * device. Their random numbers depend on the step counter, so they are the same on every backend and when a run is resumed.
 * Random transforms are applied in training only, the others in evaluation, too.
 */

import { expectSpec } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";
import { ValueError } from "../validation/errors.ts";
import { shown } from "../validation/options.ts";

export interface Batch {
  /** f32 [batchSize, …shape] */
  readonly x: Tensor;
  /** i32 [batchSize] class numbers, or f32 [batchSize, …labelShape]. */
  readonly target: Tensor;
  /** f32 [batchSize]: 1, or 0 for the padding of the last batch. */
  readonly weights: Tensor;
  /** How many classes there are, where the data set has class numbers. */
  readonly classes?: number;
}

export interface Transform {
  /** For errors. */
  readonly name: string;
  /**
   * Builds the transformed batch. Called when the graph of a step is built: `nn.isTraining()` says whether for training, and
   * `nn.randomSource(name)` gives the random numbers.
   */
  apply(batch: Batch): Batch;
}

/** A transform of the inputs alone. */
export function ofInputs(name: string, change: (x: Tensor) => Tensor): Transform {
  return { name, apply: (batch) => ({ ...batch, x: change(batch.x) }) };
}

/** Throws ValueError, with advice, unless `transform` is a transform. */
export function checkTransform(who: string, transform: unknown): asserts transform is Transform {
  if (typeof transform === "object" && transform !== null && "apply" in transform) return;
  const hint = typeof transform === "function" ? "; call it, as in transforms.randomCrop(28)" : "";
  throw new ValueError(`${who} must be one of \`transforms\`, got ${shown(transform)}${hint}`);
}

/** The shape of images [N, C, H, W]; throws ShapeError, naming `who`, for anything else. */
export function imageShape(who: string, x: Tensor): readonly [N: number, C: number, H: number, W: number] {
  return expectSpec(who, "its input, images,", x, 4).shape as readonly [number, number, number, number];
}
