/** The graphs of a trainer: a training step with its updates, an evaluation step, and the model's prediction. */
import { gradients, parametersOf } from "../../autograd.ts";
import { titleOf } from "../../data/dataset.ts";
import { type GraphSpec, mutatedLeaves } from "../../graph/graph.ts";
import { formatSpec } from "../../graph/spec.ts";
import { constant, type Node, scope, state, type Tensor } from "../../graph/tensor.ts";
import { type BuildMode, build } from "../../nn/build-mode.ts";
import type { LossResult } from "../../nn/loss.ts";
import { forward, isFrozen, namedParameters } from "../../nn/module.ts";
import { MAX_RECORDED, record } from "../../ops/data/record.ts";
import { RandomSource } from "../../ops/random/random.ts";
import { globalNorm } from "../../ops/reduce/norm.ts";
import { sum } from "../../ops/reduce/sum.ts";
import { concat } from "../../ops/shape/concat.ts";
import { reshape } from "../../ops/shape/reshape.ts";
import type { OptimizerStates } from "../../optim/optimizer.ts";
import { DataError, GraphError, ShapeError } from "../../validation/errors.ts";
import { warn } from "../../validation/printable.ts";
import type { TrainerOptions } from "../loop/options.ts";
import { type RingLayout, SAMPLES, WEIGHT } from "../metrics/accumulator.ts";
import type { MetricBatch } from "../metrics/definition.ts";
import { ringRows } from "./runner.ts";

export interface StepGraph {
  readonly spec: GraphSpec;
  /** f32 [rows, columns]: one row per step. */
  readonly ring: Tensor;
  readonly layout: RingLayout;
}

/** The states that training changes. */
export interface TrainStates {
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** States of the model that are saved but not trained. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  readonly optimizer: OptimizerStates;
  /** u32 [1]: steps taken so far. */
  readonly step: Tensor;
  /** u32 [2]: key of shuffling and of layers that draw random numbers. */
  readonly key: Tensor;
}

interface Applied {
  readonly prediction: Tensor;
  readonly result: LossResult;
}

/** Evaluates `batch`, logs the metrics and increments `step`. Throws as `trainingStep`. */
export function evaluationStep(
  options: TrainerOptions,
  batch: MetricBatch,
  step: Tensor,
  { parameters, buffers }: Pick<TrainStates, "parameters" | "buffers">,
): StepGraph {
  const { result, updates } = apply(options, batch, { training: false });
  refuseUnnamed(result.result.loss, updates, [...parameters.values(), ...buffers.values()]);
  return logged(options, batch, result, step, {}, []);
}

/**
 * Trains on `batch`: loss, gradients, updates of layers and optimizer, the log of metrics, and the step counter. Transforms
 * and layers draw random numbers by key and step. Throws DataError, ShapeError or GraphError where data, model and loss do not
 * fit each other.
 */
export function trainingStep(options: TrainerOptions, batch: MetricBatch, states: TrainStates): StepGraph {
  const { buffers, step, key } = states;
  const parameters = [...states.parameters.values()];
  const mode = { training: true, random: new RandomSource(step, key) };
  const { result, updates: ofLayers } = apply(options, batch, mode);
  const { loss } = result.result;
  refuseUnnamed(loss, ofLayers, [...parameters, ...buffers.values()]);
  const reached = parametersOf(loss);
  const trained = parameters.filter((t) => reached.has(t));
  if (trained.length === 0) {
    throw new GraphError(
      `trainer: the loss ${loss.label} depends on none of the model's parameters; compute it from the model's output`,
    );
  }
  if (trained.length < parameters.length) {
    const unused = [...states.parameters].flatMap(([name, t]) => (reached.has(t) ? [] : [name]));
    const { onNotice = warn } = options;
    onNotice(
      `trainer: the loss does not depend on ${unused.join(", ")}, which will not be trained; use the layer in the model's ` +
        "forward, or nn.freeze it",
    );
  }
  const ofTrained = scope("gradient", () => gradients(loss, trained));
  const byParameter = new Map(trained.map((t, i) => [t, ofTrained[i]]));
  const { updates, gradient, learningRate } = scope("optimizer", () =>
    options.optimizer.step(
      parameters,
      parameters.map((t) => byParameter.get(t)),
      states.optimizer,
      step,
    ),
  );
  const ofStep = options.trackGradientNorm
    ? { learningRate, gradientNorm: globalNorm(gradient) }
    : { learningRate };
  return logged(options, batch, result, step, ofStep, [...ofLayers, ...updates], states.optimizer.alarm);
}

/** The model's output for samples `x` [n, …] in evaluation mode, after the transform. */
export function predictionOf({ model, loss, transform }: TrainerOptions, x: Tensor): Tensor {
  return build({ training: false }, () => {
    // There are no targets: a transform that looks at them gets zeros.
    const n = x.shape[0] as number;
    const target = constant(loss.classes ? new Int32Array(n) : new Float32Array(n));
    const weights = constant(new Float32Array(n).fill(1));
    const prediction = forward(model, transform?.apply({ x, target, weights }).x ?? x);
    refuseUnnamed(prediction, [], namedParameters(model).values());
    return prediction;
  }).result;
}

/**
 * Applies transform, model and loss. Throws DataError where the transformed targets are not what the loss takes, ShapeError
 * where the model has fewer outputs than the data have classes.
 */
function apply({ model, loss, transform }: TrainerOptions, batch: MetricBatch, mode: BuildMode) {
  return build(mode, (): Applied => {
    const { x, target, weights, classes } =
      transform === undefined ? batch : scope("transform", () => transform.apply(batch));
    if ((target.dtype === "i32") !== loss.classes) {
      const kinds = loss.classes
        ? "class numbers, but the labels are values"
        : "values, but the labels are class numbers";
      throw new DataError(
        `${titleOf(batch.dataset)}: the loss wants ${kinds}, ${formatSpec(target)}; take another loss or other labels`,
      );
    }
    const prediction = scope("model", () => forward(model, x));
    const [, outputs] = prediction.shape;
    if (loss.outputPerClass && classes !== undefined && outputs !== undefined && outputs < classes) {
      const hint = outputs === 1 ? ", or take nn.bceWithLogits and labels 0 and 1 as a Float32Array" : "";
      throw new ShapeError(
        `trainer: the model's output ${formatSpec(prediction)} has ${outputs} on axis 1, but ${titleOf(batch.dataset)} has ` +
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
    return { prediction, result };
  });
}

/** A step that logs its metrics. Metrics get the labels of the data set. `ofStep`: single numbers that only training has. */
function logged(
  options: TrainerOptions,
  batch: MetricBatch,
  { prediction, result }: Applied,
  step: Tensor,
  ofStep: Readonly<Record<string, Tensor>>,
  updates: readonly Node[],
  alarm?: Tensor,
): StepGraph {
  const training = alarm !== undefined;
  const metrics = (options.metrics ?? []).filter((metric) => metric.training || !training);
  const { loss, count, weight, sums } = result;
  const single = { loss, count, ...(weight && { [WEIGHT]: weight }), ...ofStep, ...sums };
  const values = new Map<string, Tensor>(Object.entries(single));
  scope("metrics", () => {
    if (metrics.length > 0) values.set(SAMPLES, sum(batch.weights));
    for (const metric of metrics) {
      if (!values.has(metric.key)) values.set(metric.key, metric.sums(prediction, batch));
    }
  });
  const columns = [...values].map(([name, { size }]) => ({ name, size }));
  const width = columns.reduce((total, { size }) => total + size, 0) + (training ? 1 : 0);
  const ring = state([ringRows(width), width], 0, "f32", "metrics ring");
  // `record` takes few tensors: the last ones are concatenated where there are more.
  const room = MAX_RECORDED - (training ? 1 : 0);
  const recorded = [...values.values()];
  if (recorded.length > room) {
    const rest = recorded.splice(room - 1);
    recorded.push(concat(rest.map((t) => reshape(t, [t.size]))));
  }
  const log = record(ring, step, recorded, alarm);
  const layout = { columns, metrics, sums: Object.keys(sums) };
  return { spec: { outputs: [], updates: [...updates, log] }, ring, layout };
}

/**
 * Throws GraphError that names parameters on which `result` depends, and states that `updates` of layers change, if they are not
 * among `named`: they would be neither trained nor saved. Frozen and detached parameters may be missing.
 */
function refuseUnnamed(result: Tensor, updates: readonly Node[], named: Iterable<Tensor>): void {
  const known = new Set(named);
  const users = parametersOf(result);
  for (const update of updates) for (const t of mutatedLeaves(update)) users.set(t, update.label);
  const missing = [...users].filter(([t]) => !known.has(t) && !isFrozen(t));
  if (missing.length === 0) return;
  const list = missing.slice(0, 5).map(([t, user]) => `${t.label} ${formatSpec(t)} of ${user}`);
  if (missing.length > list.length) list.push(`${missing.length - list.length} more`);
  throw new GraphError(
    `trainer: the model uses ${list.join(", ")}, found in none of its fields when the trainer was made; it would be neither ` +
      "trained nor saved. Searched are the fields of objects with `forward`, and arrays, plain objects, Maps and Sets in them; " +
      "not #private fields, closures, functions and objects of classes without `forward`. Keep it in such a field, or say " +
      "that it is not to be trained with nn.freeze or ops.detach",
  );
}
