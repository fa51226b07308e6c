/** The two graphs of a trainer: one training step, updates included, and one evaluation step. */
import { gradients } from "../../autograd.ts";
import { DataError, GraphError, ShapeError } from "../../common/errors.ts";
import { warn } from "../../common/printable.ts";
import { titleOf } from "../../data/dataset.ts";
import type { GraphSpec } from "../../graph/graph.ts";
import { formatSpec } from "../../graph/spec.ts";
import { type Node, scope, state, type Tensor } from "../../graph/tensor.ts";
import type { LossResult } from "../../nn/loss.ts";
import { type BuildMode, build } from "../../nn/mode.ts";
import { forward } from "../../nn/module.ts";
import { RandomSource } from "../../ops/random/random.ts";
import { globalNorm } from "../../ops/reduce/norm.ts";
import { sum } from "../../ops/reduce/sum.ts";
import { reshape } from "../../ops/shape/reshape.ts";
import type { OptimizerStates } from "../../optim/optimizer.ts";
import type { TrainerOptions } from "../loop/options.ts";
import { type RowLayout, SAMPLES, WEIGHT } from "../metrics/accumulator.ts";
import type { MetricBatch } from "../metrics/definition.ts";
import { MAX_RECORDED, record } from "../metrics/record.ts";
import { ringRows } from "./runner.ts";
import { parametersOf, refuseUnnamed } from "./unnamed.ts";

export interface StepGraph {
  readonly spec: GraphSpec;
  /** f32 [rows, columns]: one row per step. */
  readonly ring: Tensor;
  readonly layout: RowLayout;
}

/** The states that training moves on. */
export interface TrainStates {
  /** By name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** States of the model that are not trained but saved, by name. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  readonly optimizer: OptimizerStates;
  /** u32 [1]: steps taken so far. */
  readonly step: Tensor;
  /** u32 [2]: of shuffling and of layers that draw. */
  readonly key: Tensor;
}

interface Applied {
  readonly prediction: Tensor;
  readonly result: LossResult;
}

/** Evaluates `batch` and records the result; moves `step` on. */
export async function evaluationStep(
  options: TrainerOptions,
  batch: MetricBatch,
  step: Tensor,
  { parameters, buffers }: Pick<TrainStates, "parameters" | "buffers">,
): Promise<StepGraph> {
  const { result, updates } = apply(options, batch, { training: false });
  refuseUnnamed(result.result.loss, updates, [...parameters.values(), ...buffers.values()]);
  return recorded(options, batch, result, step, {}, []);
}

/**
 * Trains on `batch`: loss, gradients, updates of the layers and the optimizer, and the record of it; moves the step on.
 * Transforms and layers draw random numbers by key and step.
 */
export async function trainingStep(
  options: TrainerOptions,
  batch: MetricBatch,
  states: TrainStates,
): Promise<StepGraph> {
  const { buffers, step, key } = states;
  const parameters = [...states.parameters.values()];
  const mode = { training: true, random: new RandomSource(step, key) };
  const { result, updates: ofLayers } = apply(options, batch, mode);
  const { loss } = result.result;
  refuseUnnamed(loss, ofLayers, [...parameters, ...buffers.values()]);
  const reached = parametersOf(loss);
  const wanted = parameters.filter((t) => reached.has(t));
  if (wanted.length === 0) {
    throw new GraphError(`trainer: the loss ${loss.label} depends on none of the model's parameters`);
  }
  if (wanted.length < parameters.length) {
    const still = [...states.parameters].flatMap(([name, t]) => (reached.has(t) ? [] : [name]));
    const { onNotice = warn } = options;
    onNotice(
      `trainer: the loss does not depend on ${still.join(", ")}, which will not be trained; use what holds them in ` +
        "the model's forward, or nn.freeze it",
    );
  }
  const found = new Map(scope("gradient", () => gradients(loss, wanted)).map((g, i) => [wanted[i], g]));
  const grads = parameters.map((t) => found.get(t));
  const { updates, gradient, learningRate } = scope("optimizer", () =>
    options.optimizer.step(parameters, grads, states.optimizer, step),
  );
  const watched = options.trackGradientNorm
    ? { learningRate, gradientNorm: globalNorm(gradient) }
    : { learningRate };
  return recorded(options, batch, result, step, watched, [...ofLayers, ...updates], states.optimizer.alarm);
}

/**
 * Throws DataError where the transformed targets are not what the loss wants, ShapeError where the model has fewer outputs
 * than the data have classes.
 */
function apply({ model, loss, transform }: TrainerOptions, batch: MetricBatch, mode: BuildMode) {
  return build(mode, (): Applied => {
    const { x, target, weights, classes } =
      transform === undefined ? batch : scope("transform", () => transform.apply(batch));
    if ((target.dtype === "i32") !== loss.classes) {
      const kinds = loss.classes
        ? "class numbers, but the labels are values"
        : "values, but the labels are class numbers";
      throw new DataError(`${titleOf(batch.dataset)}: the loss wants ${kinds}, ${formatSpec(target)}`);
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

/** Metrics see the labels as the data set has them. `watched`: what only training has, single numbers by name. */
async function recorded(
  options: TrainerOptions,
  batch: MetricBatch,
  { prediction, result }: Applied,
  step: Tensor,
  watched: Readonly<Record<string, Tensor>>,
  updates: readonly Node[],
  alarm?: Tensor,
): Promise<StepGraph> {
  const training = "learningRate" in watched;
  const metrics = (options.metrics ?? []).filter((metric) => metric.training || !training);
  const { loss, count, weight, sums } = result;
  const single = { loss, count, ...(weight && { [WEIGHT]: weight }), ...watched, ...sums };
  const values = new Map<string, Tensor>(Object.entries(single));
  scope("metrics", () => {
    if (metrics.length > 0) values.set(SAMPLES, sum(batch.weights));
    for (const metric of metrics) {
      if (!values.has(metric.key)) values.set(metric.key, metric.sums(prediction, batch));
    }
  });
  const columns = [...values].map(([name, { size }]) => ({ name, size }));
  const width = columns.reduce((total, { size }) => total + size, 0) + (alarm === undefined ? 0 : 1);
  const ring = state([ringRows(width), width], 0, "f32", "metrics ring");
  const room = MAX_RECORDED - (alarm === undefined ? 0 : 1);
  const recording = record(ring, step, await gathered([...values.values()], room), alarm);
  const layout = { columns, metrics, sums: Object.keys(sums) };
  return { spec: { outputs: [], updates: [...updates, recording] }, ring, layout };
}

/** As many tensors as a record takes: the last of too many are put together. */
async function gathered(values: readonly Tensor[], room: number): Promise<Tensor[]> {
  if (values.length <= room) return [...values];
  const { concat } = await import("../../ops/shape/concat.ts");
  const few = values.slice(0, room - 1);
  return [...few, concat(values.slice(room - 1).map((t) => reshape(t, [t.size])))];
}
