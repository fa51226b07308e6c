/** Makes predictors of trainers, of models on a device and of ahead-of-time programs. */

import type { DType } from "../../graph/spec.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions, isPromise, notAwaited, shown } from "../../validation/options.ts";
import { checkWhole } from "../loop/options.ts";
import type { Trainer } from "../loop/trainer.ts";
import { checkForms } from "./inputs.ts";
import type { AnswerOf } from "./outputs.ts";
import { type GivenTo, PREDICTOR, Predictor, type PredictorOptions } from "./predictor.ts";
import { type ModelOnDevice, ofModel, ofTrainer } from "./traced-source.ts";

/** A trainer of a program that was compiled ahead of time. */
interface PredictorMaker {
  createPredictor(options: PredictorOptions): Promise<Predictor<never, unknown>>;
}

export type PredictorFrom = Trainer | ModelOnDevice | PredictorMaker;

type ModelOf<S> = S extends Trainer<infer M> ? M : S extends { readonly model: infer M } ? M : unknown;

/** What a model gives: a tensor, or tensors by name. */
type GivenBy<M> = M extends (...args: never[]) => infer Y
  ? Y
  : M extends { forward(...args: never[]): infer Y }
    ? Y
    : { readonly dtype: DType };

/**
 * A predictor, compiled for the device in use: `await predictor.predict(values)`. `source`: a Trainer, whose weights are used as
 * they are at each call; `{ model, device, weights }`, with the weights on the device or those of a safetensors file or state
 * dict; or a trainer of an ahead-of-time program. The model runs in evaluation mode, a Trainer's after its transform. Throws
 * ValueError, ShapeError or GraphError on what does not fit the model, FormatError on weights that do not.
 */
export function createPredictor<const O extends PredictorOptions, S extends PredictorFrom>(
  source: S,
  options: O,
): Promise<Predictor<GivenTo<O>, AnswerOf<GivenBy<ModelOf<S>>, O>>> {
  const made = create(source, options) as Promise<Predictor<GivenTo<O>, AnswerOf<GivenBy<ModelOf<S>>, O>>>;
  return notAwaited(made, "createPredictor", ["predict", "destroy"]);
}

async function create(source: PredictorFrom, options: PredictorOptions): Promise<unknown> {
  const who = "createPredictor";
  const given = checkOptions(who, options, PREDICTOR);
  if (typeof source !== "object" || source === null || isPromise(source)) {
    const hint = isPromise(source) ? "; await it" : "";
    throw new ValueError(
      `${who}: the source must be a trainer or { model, device }, got ${shown(source)}${hint}`,
    );
  }
  if ("createPredictor" in source) return source.createPredictor(given);
  const { batchSize = 1, inputs, program, ...answer } = given;
  checkWhole(who, { batchSize }, { batchSize: 1 });
  if (program !== undefined)
    throw new ValueError(
      `${who}: program names one of an ahead-of-time file, got ${shown(program)}; leave it out`,
    );
  const forms = checkForms(who, inputs);
  const from =
    "states" in source ? ofTrainer(source, forms, batchSize) : ofModel(who, source, forms, batchSize);
  return new Predictor(from, answer).compile();
}
