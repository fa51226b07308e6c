/** Predictions of a trainer's model for samples in memory, in their order. */

import type { ColumnDataset } from "../../data/columns.ts";
import { type DType, type Shape, sameShape } from "../../graph/spec.ts";
import { checkOptions } from "../../validation/options.ts";
import { checkTrainer } from "../loop/options.ts";
import type { Trainer } from "../loop/trainer.ts";
import { checkForms } from "./inputs.ts";
import { type PredictCallOptions, Predictor } from "./predictor.ts";
import { checkSamples, dtypeSeen, type Predictions, type Samples, samplesOf } from "./samples.ts";
import { ofTrainer } from "./traced-source.ts";

/** Most samples per run of the program. */
const BATCH = 200;

/**
 * The model's output for every sample, with the weights as they are now, in evaluation mode, after the trainer's transform:
 * logits, for a model that ends in them. Of a data set of named columns it takes the column `inputs`; tokens (Int32Array) reach the
 * model as i32. During a fit, with the weights between two steps. Rejects with the reason of `signal`
 * when that is aborted; throws ShapeError on samples that the model does not take. `createPredictor` is quicker for many calls.
 */
export async function predict(
  trainer: Trainer,
  samples: Samples | ColumnDataset,
  options: PredictCallOptions = {},
): Promise<Predictions> {
  const given = checkOptions("predict", options, { signal: "object" });
  checkTrainer("predict", trainer);
  const { count, inputs } = checkSamples("predict", samplesOf("predict", samples));
  const predictor = predictorFor(trainer, inputs.shape, dtypeSeen(inputs), Math.min(count, BATCH));
  return predictor.predict({ count, inputs }, given);
}

/** The latest predictor of each trainer, used again for as many samples per batch or fewer. */
const latest = new WeakMap<Trainer, Predictor<Samples, Predictions>>();

function predictorFor(
  trainer: Trainer,
  shape: Shape,
  dtype: DType,
  batchSize: number,
): Predictor<Samples, Predictions> {
  const known = latest.get(trainer);
  const [input] = known?.source.inputs.all ?? [];
  const fits = sameShape(input?.shape ?? [], shape) && input?.dtype === dtype;
  if (known !== undefined && known.batchSize >= batchSize && fits) return known;
  const source = ofTrainer(trainer, checkForms("predict", { shape, dtype }), batchSize);
  const made = new Predictor<Samples, Predictions>(source);
  latest.set(trainer, made);
  return made;
}
