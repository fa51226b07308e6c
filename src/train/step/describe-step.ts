/** Makes the description of a step, and the states of its run, from a trainer's options. */

import { titleOf } from "../../data/dataset.ts";
import { formatSpec } from "../../graph/spec.ts";
import { scope, state, Tensor } from "../../graph/tensor.ts";
import { allParameters, forward, namedBuffers, namedParameters } from "../../nn/module.ts";
import { keyFromSeed } from "../../numbers/random.ts";
import { sum } from "../../ops/reduce/sum.ts";
import { permute } from "../../ops/shape/transpose.ts";
import type { OptimizerStates } from "../../optim/optimizer.ts";
import type { Batch, Transform } from "../../transforms/transform.ts";
import { DataError, ShapeError, ValueError } from "../../validation/errors.ts";
import { isPromise, shown } from "../../validation/options.ts";
import type { AnyTrainerOptions, PhasesOptions, StepOptions, TrainerOptions } from "../loop/options.ts";
import {
  counterName,
  KEY,
  type OptimizerRun,
  prefixOf,
  type RunStates,
  rateName,
} from "../state/run-states.ts";
import type { Phase, PhaseResult, StepBatch, StepContext, StepDescription, StepInput } from "./phase.ts";
import { checkStepResult, namedBatch } from "./step-result.ts";

/** The states that training changes. */
export interface TrainStates {
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** States of the model that are saved but not trained. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  /** u32 [1]: steps taken so far. */
  readonly step: Tensor;
  /** u32 [2]: key of shuffling and of layers that draw random numbers. */
  readonly key: Tensor;
  /** For each phase those of its optimizer, and the counter of its runs u32 [1], which for the only phase is `step`. */
  readonly phases: readonly { readonly optimizer: OptimizerStates; readonly counter: Tensor }[];
}

export interface DescribedRun {
  readonly step: StepDescription;
  readonly states: RunStates;
  readonly training: TrainStates;
  /** All parameters, frozen ones too. Number i begins with values of random stream i. */
  readonly drawn: readonly Tensor[];
}

/**
 * What `options` describe. Initial weights depend only on seed and position in the model. Throws ValueError on a model without
 * parameters.
 */
export function describeRun(options: AnyTrainerOptions): DescribedRun {
  const { seed = 0 } = options;
  const phases = phasesOf(options);
  const models = phases.map(({ model }) => model);
  const parameters = new Map<string, Tensor>();
  const buffers = new Map<string, Tensor>();
  const names = new Map<Tensor, string>();
  /** A tensor of several models has the name that it has in the first. */
  const named = (prefix: string, found: ReadonlyMap<string, Tensor>, all: Map<string, Tensor>) =>
    new Map(
      Array.from(found, ([name, tensor]) => {
        const full = names.get(tensor) ?? prefix + name;
        names.set(tensor, full);
        all.set(full, tensor);
        return [full, tensor];
      }),
    );
  const runs: OptimizerRun[] = [];
  const states: { optimizer: OptimizerStates; counter: Tensor }[] = [];
  const built: Phase[] = [];
  const single = phases.length === 1 && phases[0]?.name === "";
  let step: Tensor | undefined;
  for (const { name, model, optimizer: rule, every, build } of phases) {
    const prefix = prefixOf(name);
    const own = named(prefix, namedParameters(model), parameters);
    named(prefix, namedBuffers(model), buffers);
    if (own.size === 0) {
      throw new ValueError(
        `trainer: the model${single ? "" : ` of ${name}`} has no parameters to train; searched are the fields of objects, and ` +
          "arrays, Maps and Sets in them, without what nn.freeze has frozen",
      );
    }
    const optimizer = rule.states([...own.values()], [...own.keys()]);
    step ??= single ? optimizer.step : state([1], 0, "u32", "step");
    const counter = optimizer.step;
    const packed = new Map(Object.entries(optimizer.packed));
    const { learningRate, skipped } = optimizer;
    const counters = { ...(!single && { counter }), ...(skipped && { skipped }) };
    runs.push({ name, parameters: own, packed, learningRate, every, ...counters });
    states.push({ optimizer, counter });
    built.push({ name, parameters: own, optimizer: rule, every, build });
  }
  const key = state([2], Uint32Array.from(keyFromSeed(seed)), "u32", "random key");
  const live = new Map<string, Tensor>([[KEY, key]]);
  for (const { name, learningRate, counter } of runs) {
    live.set(rateName(name), learningRate);
    if (counter !== undefined) live.set(counterName(name), counter);
  }
  const { transform } = options;
  const { prepare } = options as Partial<PhasesOptions>;
  return {
    step: {
      phases: built,
      shared: (input, context) =>
        prepared(prepare, transform === undefined ? input : transformed(transform, input), context),
    },
    states: { parameters, buffers, optimizers: runs, step: step as Tensor, live },
    training: { parameters, buffers, step: step as Tensor, key, phases: states },
    drawn: [...new Set(models.flatMap(allParameters))],
  };
}

interface DeclaredPhase extends Pick<Phase, "name" | "optimizer" | "every" | "build"> {
  readonly model: object;
}

function phasesOf(options: AnyTrainerOptions): DeclaredPhase[] {
  if ("phases" in options) {
    return Object.entries(options.phases).map(([name, { model, optimizer, step, every = 1 }]) => ({
      name,
      model,
      optimizer,
      every,
      build: stepFunction(`trainer: step of ${name}`, step),
    }));
  }
  const { model, optimizer } = options;
  const build = "step" in options ? stepFunction("trainer: step", options.step) : modelAndLoss(options);
  return [{ name: "", model, optimizer, every: 1, build }];
}

const stepFunction =
  (who: string, step: StepOptions["step"]): Phase["build"] =>
  (input, context) =>
    checkStepResult(who, step(namedBatch(who, input), context), sum(input.weights));

const classesToAxis1 = (rank: number): number[] => [
  0,
  rank - 1,
  ...Array.from({ length: rank - 2 }, (_, i) => i + 1),
];

/**
 * Applies model and loss to the columns `inputs` and `labels`. Throws DataError where the labels are not what the loss takes,
 * ShapeError where the model has fewer outputs than the data have classes.
 */
function modelAndLoss({ model, loss, metrics = [] }: TrainerOptions): Phase["build"] {
  return (input, { training }): PhaseResult => {
    const { dataset, weights } = input;
    const { inputs: x, labels: target } = namedBatch("trainer: the short form with model and loss", input);
    const classes = dataset?.classes;
    const title = dataset === undefined ? "trainer: the batch" : titleOf(dataset);
    if ((target.dtype === "i32") !== loss.classes) {
      const kinds = loss.classes
        ? "class numbers, but the labels are values"
        : "values, but the labels are class numbers";
      throw new DataError(
        `${title}: the loss wants ${kinds}, ${formatSpec(target)}; take another loss or other labels`,
      );
    }
    const prediction: unknown = scope("model", () => forward(model, x));
    if (!(prediction instanceof Tensor)) {
      throw new ValueError(
        "trainer: the model gives several tensors; give the trainer a step function in place of the loss",
      );
    }
    const classesLast = loss.classAxis === -1;
    const outputs = prediction.shape.at(classesLast ? -1 : 1);
    if (loss.outputPerClass && classes !== undefined && outputs !== undefined && outputs < classes) {
      const hint = outputs === 1 ? ", or take nn.bceWithLogits and labels 0 and 1 as a Float32Array" : "";
      throw new ShapeError(
        `trainer: the model's output ${formatSpec(prediction)} has ${outputs} on axis ${classesLast ? -1 : 1}, but ${title} has ` +
          `${classes} classes, labels ${formatSpec(target)}; give the last layer ${classes} outputs${hint}`,
      );
    }
    const result = scope("loss", () => loss.build(prediction, target, weights));
    if (result.loss.size !== 1) {
      throw new ShapeError(
        `trainer: the loss must be one number, got ${formatSpec(result.loss)} of output ${formatSpec(prediction)} and labels ` +
          `${formatSpec(target)}; reduce it with mean or sum`,
      );
    }
    const wanted = metrics.filter((metric) => metric.training || !training);
    const empty = { means: {}, ratios: {}, updates: [] };
    if (dataset === undefined || wanted.length === 0) return { ...result, ...empty };
    const { ignoreIndex } = loss;
    const known = {
      ...(classes !== undefined && { classes }),
      ...(ignoreIndex !== undefined && { ignoreIndex }),
    };
    const batch = { x, target, weights, dataset, ...known };
    // Metrics expect the classes on axis 1.
    const perClass = classesLast ? permute(prediction, classesToAxis1(prediction.rank)) : prediction;
    return { ...result, ...empty, ofPrediction: { metrics: wanted, prediction: perClass, batch } };
  };
}

/** Applies `transform` to the columns `inputs` and `labels`. */
function transformed(transform: Transform, input: StepInput): StepInput {
  const { inputs: x, labels: target } = namedBatch(`transform ${transform.name}`, input);
  const { weights, dataset } = input;
  const classes = dataset?.classes;
  const batch: Batch = { x, target, weights, ...(classes !== undefined && { classes }) };
  const changed = scope("transform", () => transform.apply(batch));
  return {
    ...input,
    columns: { ...input.columns, inputs: changed.x, labels: changed.target },
    weights: changed.weights,
  };
}

/** Replaces the columns by those that the user's `prepare` gives. Throws ValueError on anything but a record of tensors. */
function prepared(prepare: PhasesOptions["prepare"], input: StepInput, context: StepContext): StepInput {
  if (prepare === undefined) return input;
  const who = "trainer: prepare";
  const given: unknown = scope("prepare", () => prepare(namedBatch(who, input), context));
  const isRecord = typeof given === "object" && given !== null && !isPromise(given);
  const wrong = Object.entries(given ?? {}).find(([, value]) => !(value instanceof Tensor));
  if (!isRecord || given instanceof Tensor || wrong !== undefined) {
    const found = wrong === undefined ? shown(given) : `${shown(wrong[1])} as ${wrong[0]}`;
    throw new ValueError(`${who}: must return a record of tensors, the batch of all phases, got ${found}`);
  }
  const { weights = input.weights, ...columns } = given as Partial<StepBatch>;
  if (weights.rank !== 1 || weights.dtype !== "f32") {
    throw new ShapeError(
      `${who}: weights must be f32 with one number per sample, got ${formatSpec(weights)}`,
    );
  }
  return { ...input, columns: columns as StepInput["columns"], weights };
}
