/** A model's answers for samples in memory, in the order they are given: batches go up, outputs come back. */

import { ValueError } from "../../common/errors.ts";
import { checkOptions, shown } from "../../common/options.ts";
import { readSample, sampleSize } from "../../data/dataset.ts";
import { type Shape, sameShape, sizeOf } from "../../graph/spec.ts";
import { constant, input, type Tensor } from "../../graph/tensor.ts";
import { build } from "../../nn/mode.ts";
import { forward, namedParameters } from "../../nn/module.ts";
import type { Backend, Program } from "../../runtime/backend.ts";
import { checkedSamples, type Samples } from "../input/samples.ts";
import { refuseUnnamed } from "../step/unnamed.ts";
import { checkTrainer, type TrainerOptions } from "./options.ts";
import type { Trainer } from "./trainer.ts";

const BATCH = 200;

export interface Predictions {
  /** Row-major, sample after sample. */
  readonly values: Float32Array;
  /** Of one sample's part of `values`: [10] for the logits of ten classes. */
  readonly shape: Shape;
}

/**
 * What the model gives for every sample, with the weights as they are now, in evaluation mode, after the trainer's
 * transform: logits, for a model that ends in them. During a fit, with those between two steps. Rejects with the
 * reason of `signal` when that is aborted; throws ShapeError on samples that the model does not take.
 */
export async function predict(
  trainer: Trainer,
  samples: Samples,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Predictions> {
  const { signal } = checkOptions("predict", options, { signal: "object" });
  checkTrainer("predict", trainer);
  if (!Array.isArray(samples?.inputs?.shape) || typeof samples.count !== "number") {
    throw new ValueError(
      `predict: samples must be a data set or { count, inputs: { data, shape } }, got ${shown(samples)}`,
    );
  }
  const checked = checkedSamples("predict", samples);
  return trainer.exclusive(() => trainer.survive(() => predictAll(trainer, checked, signal)));
}

async function predictAll(
  trainer: Trainer,
  samples: Samples,
  signal: AbortSignal | undefined,
): Promise<Predictions> {
  const batch = Math.min(samples.count, BATCH);
  const { program, x, prediction } = await programFor(trainer, [batch, ...samples.inputs.shape]);
  const shape = prediction.shape.slice(1);
  const [size, each] = [sampleSize(samples.inputs.shape), sizeOf(shape)];
  const values = new Float32Array(samples.count * each);
  const given = new Float32Array(batch * size);
  for (let first = 0; first < samples.count; first += batch) {
    signal?.throwIfAborted();
    const count = Math.min(batch, samples.count - first);
    for (let i = 0; i < count; i++) given.set(readSample(samples, first + i), i * size);
    trainer.backend.write(x, given);
    program.run();
    values.set((await program.read(prediction)).subarray(0, count * each), first * each);
  }
  return { values, shape };
}

interface Ready {
  readonly backend: Backend;
  readonly program: Program;
  readonly x: Tensor;
  readonly prediction: Tensor;
}

/** The latest program of each trainer; another one after a change of shape or device. */
const latest = new WeakMap<Trainer, Ready>();

async function programFor(trainer: Trainer, shape: Shape): Promise<Ready> {
  const known = latest.get(trainer);
  if (known?.backend === trainer.backend && sameShape(known.x.shape, shape)) return known;
  const x = input(shape, "f32", "samples");
  const prediction = predictionOf(trainer.options, x);
  const ready = {
    backend: trainer.backend,
    program: await trainer.compile({ outputs: [prediction] }),
    x,
    prediction,
  };
  latest.set(trainer, ready);
  return ready;
}

/** What the model gives for samples `x` [n, …] in evaluation mode, after the transform. */
export function predictionOf({ model, loss, transform }: TrainerOptions, x: Tensor): Tensor {
  return build({ training: false }, () => {
    // Nobody knows the answers; a transform that looks at them gets zeros.
    const batch = x.shape[0] as number;
    const target = constant(loss.classes ? new Int32Array(batch) : new Float32Array(batch));
    const weights = constant(new Float32Array(batch).fill(1));
    const prediction = forward(model, transform?.apply({ x, target, weights }).x ?? x);
    refuseUnnamed(prediction, [], namedParameters(model).values());
    return prediction;
  }).result;
}
