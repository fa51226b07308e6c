/** Predictions of a model for samples in memory, in their order. */

import { type Shape, sameShape } from "../../graph/spec.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import type { Backend, Program } from "../../runtime/backend.ts";
import { checkOptions } from "../../validation/options.ts";
import { checkSamples, type Predictions, predictInBatches, type Samples } from "../input/samples.ts";
import { predictionOf } from "../step/step-graph.ts";
import { checkTrainer } from "./options.ts";
import type { Trainer } from "./trainer.ts";

/** Samples per run of the program. */
const BATCH = 200;

/**
 * The model's output for every sample, with the weights as they are now, in evaluation mode, after the trainer's transform:
 * logits, for a model that ends in them. During a fit, with the weights between two steps. Rejects with the reason of `signal`
 * when that is aborted; throws ShapeError on samples that the model does not take.
 */
export async function predict(
  trainer: Trainer,
  samples: Samples,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Predictions> {
  const { signal } = checkOptions("predict", options, { signal: "object" });
  checkTrainer("predict", trainer);
  const checked = checkSamples("predict", samples);
  const batch = Math.min(checked.count, BATCH);
  const predictAll = async () => {
    const { backend, program, x, prediction } = await programFor(trainer, [batch, ...checked.inputs.shape]);
    const run = (values: Float32Array) => {
      backend.write(x, values);
      program.run();
      return program.read(prediction);
    };
    return predictInBatches(checked, batch, prediction.shape.slice(1), run, signal);
  };
  return trainer.exclusive(() => trainer.survive(predictAll));
}

interface PredictProgram {
  readonly backend: Backend;
  readonly program: Program;
  readonly x: Tensor;
  readonly prediction: Tensor;
}

/** The latest program of each trainer; it is replaced after a change of shape or device. */
const latest = new WeakMap<Trainer, PredictProgram>();

async function programFor(trainer: Trainer, shape: Shape): Promise<PredictProgram> {
  const { backend } = trainer;
  const known = latest.get(trainer);
  if (known?.backend === backend && sameShape(known.x.shape, shape)) return known;
  const x = input(shape, "f32", "samples");
  const prediction = predictionOf(trainer.options, x);
  const program = await trainer.compile({ outputs: [prediction] });
  const made = { backend: trainer.backend, program, x, prediction };
  latest.set(trainer, made);
  return made;
}
