/**
 * What a batch goes through between the data set and the model, as part of the graph of a step: on the device, drawn by
 * the step's counter, so the same on every backend and again when a run is resumed. Random transforms change training
 * only; the others apply to evaluation too.
 */
import { ValueError } from "../common/errors.ts";
import { shown } from "../common/options.ts";
import { expectSpec } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";

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
  /** As the user knows it, for errors. */
  readonly name: string;
  /**
   * Builds the transformed batch. Called when the graph of a step is built: ask `nn.isTraining()` whether for training, and
   * `nn.randomSource(name)` for what to draw from.
   */
  apply(batch: Batch): Batch;
}

/** A transform of the inputs alone. */
export function ofInputs(name: string, change: (x: Tensor) => Tensor): Transform {
  return { name, apply: (batch) => ({ ...batch, x: change(batch.x) }) };
}

/** Refuses what is no transform, such as a transform's function that was not called. */
export function checkTransform(who: string, transform: unknown): asserts transform is Transform {
  if (typeof transform === "object" && transform !== null && "apply" in transform) return;
  const hint = typeof transform === "function" ? "; call it, as in transforms.randomCrop(28)" : "";
  throw new ValueError(`${who} must be one of \`transforms\`, got ${shown(transform)}${hint}`);
}

/** The shape of images [N, C, H, W]; throws ShapeError, naming `who`, for anything else. */
export function imageShape(who: string, x: Tensor): readonly [N: number, C: number, H: number, W: number] {
  return expectSpec(who, "its input, images,", x, 4).shape as readonly [number, number, number, number];
}
