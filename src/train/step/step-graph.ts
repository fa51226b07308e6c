/** The graphs of a trainer: those of the phases of a training and of an evaluation step, and the model's prediction. */
import { gradients, parametersOf } from "../../autograd.ts";
import type { GraphSpec } from "../../graph/graph.ts";
import { constant, type Node, scope, state, type Tensor } from "../../graph/tensor.ts";
import { build } from "../../nn/build-mode.ts";
import { forward, isModule, type Layer, namedParameters } from "../../nn/module.ts";
import { MAX_RECORDED, record } from "../../ops/data/record.ts";
import { RandomSource } from "../../ops/random/random.ts";
import { globalNorm } from "../../ops/reduce/norm.ts";
import { sum } from "../../ops/reduce/sum.ts";
import { concat } from "../../ops/shape/concat.ts";
import { reshape } from "../../ops/shape/reshape.ts";
import { increment } from "../../ops/state/increment.ts";
import { GraphError } from "../../validation/errors.ts";
import { warn } from "../../validation/printable.ts";
import type { AnyTrainerOptions, CommonTrainerOptions } from "../loop/options.ts";
import { COUNTED, type RingLayout, SAMPLES, WEIGHT } from "../metrics/accumulator.ts";
import { refuseForeignUpdates, refuseUnnamed } from "./check-states.ts";
import type { TrainStates } from "./describe-step.ts";
import type { Phase, PhaseResult, StepContext, StepDescription, StepInput } from "./phase.ts";
import { ringRows } from "./runner.ts";

/** Random streams of each phase begin at a multiple of this, those of evaluation after all of training. */
const STREAMS = 2 ** 16;
const EVALUATION = 2 ** 28;

export interface StepGraph {
  /** Of the phase; empty for the only one. */
  readonly name: string;
  readonly every: number;
  readonly spec: GraphSpec;
  /** f32 [rows, columns]: one row per run. */
  readonly ring: Tensor;
  readonly layout: RingLayout;
}

type Options = Pick<CommonTrainerOptions, "onNotice" | "trackGradientNorm">;

/**
 * One graph for each phase, in order: loss, gradients, updates of layers and optimizer, the log of metrics, and the counter. With
 * several phases there is another one, `last`, which counts the step. Layers draw random numbers by key and step. Throws
 * DataError, ShapeError or GraphError where data, model and loss do not fit each other.
 */
export function trainingStep(
  { phases, shared }: StepDescription,
  options: Options,
  input: StepInput,
  states: TrainStates,
): { graphs: readonly StepGraph[]; last?: GraphSpec } {
  const { step, key } = states;
  const single = phases.length === 1;
  const source = new RandomSource(step, key);
  const context = { training: true, random: source, step };
  const common = single ? undefined : buildWith(context, () => shared(input, context));
  const graphs = phases.map((phase, i) => {
    const random = single ? source : new RandomSource(step, key, (i + 1) * STREAMS);
    const own = { ...context, random };
    const built = buildWith(own, () => phase.build(common?.result ?? shared(input, own), own));
    // Layers in what is shared are updated once.
    const ofLayers = [...(i === 0 ? (common?.updates ?? []) : []), ...built.updates];
    return trainingPhase(phase, i, options, built.result, ofLayers, states);
  });
  return states.phases.some(({ counter }) => counter === step)
    ? { graphs }
    : { graphs, last: { outputs: [], updates: [increment(step)] } };
}

function trainingPhase(
  phase: Phase,
  index: number,
  options: Options,
  result: PhaseResult,
  ofLayers: readonly Node[],
  states: TrainStates,
): StepGraph {
  const who = phase.name === "" ? "trainer" : `trainer: ${phase.name}`;
  const { optimizer, counter } = states.phases[index] as TrainStates["phases"][number];
  const parameters = [...phase.parameters.values()];
  const { loss } = result;
  checkStates(who, result, ofLayers, states);
  const reached = parametersOf(loss);
  const trained = parameters.filter((t) => reached.has(t));
  if (trained.length === 0) {
    throw new GraphError(
      `${who}: the loss ${loss.label} depends on none of the model's parameters; compute it from the model's output`,
    );
  }
  if (trained.length < parameters.length) {
    const unused = [...phase.parameters].flatMap(([name, t]) => (reached.has(t) ? [] : [name]));
    const { onNotice = warn } = options;
    onNotice(
      `${who}: the loss does not depend on ${unused.join(", ")}, which will not be trained; use the layer in the model's ` +
        "forward, or nn.freeze it",
    );
  }
  const ofTrained = scope("gradient", () => gradients(loss, trained));
  const byParameter = new Map(trained.map((t, i) => [t, ofTrained[i]]));
  const { updates, gradient, learningRate, skipped } = scope("optimizer", () =>
    phase.optimizer.step(
      parameters,
      parameters.map((t) => byParameter.get(t)),
      optimizer,
      counter,
    ),
  );
  const ofStep = options.trackGradientNorm
    ? { learningRate, gradientNorm: globalNorm(gradient) }
    : { learningRate };
  const all = [...ofLayers, ...result.updates, ...updates];
  const means = skipped === undefined ? result.means : { ...result.means, skipped };
  return logged(phase, { ...result, means }, counter, ofStep, all, optimizer.alarm);
}

/** One graph for each phase of an evaluation, with a step counter of its own: loss and metrics of `inputOf(step)`, no update. */
export function evaluationStep(
  { phases, shared }: StepDescription,
  inputOf: (step: Tensor) => StepInput,
  states: Pick<TrainStates, "parameters" | "buffers" | "key">,
): { graphs: readonly StepGraph[]; steps: readonly Tensor[] } {
  const built = phases.map((phase, i) => {
    const step = state([1], 0, "u32", "evaluation step");
    const context = (first: number): StepContext => ({
      training: false,
      random: new RandomSource(step, states.key, EVALUATION + first),
      step,
    });
    const [common, own] = [context(0), context((i + 1) * STREAMS)];
    const input = buildWith(common, () => shared(inputOf(step), common)).result;
    const { result, updates } = buildWith(own, () => phase.build(input, own));
    checkStates(phase.name === "" ? "trainer" : `trainer: ${phase.name}`, result, updates, states);
    return { graph: logged({ ...phase, every: 1 }, result, step, {}, []), step };
  });
  return { graphs: built.map(({ graph }) => graph), steps: built.map(({ step }) => step) };
}

const buildWith = <T>({ training, random }: StepContext, make: () => T) => build({ training, random }, make);

function checkStates(
  who: string,
  result: PhaseResult,
  ofLayers: readonly Node[],
  { parameters, buffers }: Pick<TrainStates, "parameters" | "buffers">,
): void {
  refuseUnnamed(result.loss, ofLayers, [...parameters.values(), ...buffers.values()]);
  refuseForeignUpdates(who, result.updates, parameters.values(), buffers.values());
}

/** The output of a trainer's model for samples `x` [n, …] in evaluation mode, after the transform. Throws GraphError where it has none. */
export function predictionOf(options: AnyTrainerOptions, x: Tensor): Tensor {
  const { transform } = options;
  const model = "model" in options ? options.model : undefined;
  if (model === undefined || !(isModule(model) || typeof model === "function")) {
    throw new GraphError(
      "predict: the trainer's model is no layer with forward(x); compile a graph of the one that predicts with trainer.compile",
    );
  }
  const classes = "loss" in options && options.loss.classes;
  return build({ training: false }, () => {
    // There are no targets: a transform that looks at them gets zeros.
    const n = x.shape[0] as number;
    const target = constant(classes ? new Int32Array(n) : new Float32Array(n));
    const weights = constant(new Float32Array(n).fill(1));
    const prediction = forward(model as Layer, transform?.apply({ x, target, weights }).x ?? x);
    refuseUnnamed(prediction, [], namedParameters(model).values());
    return prediction;
  }).result;
}

/** A step that logs its metrics. `ofStep`: single numbers that only training has. */
function logged(
  { name, every }: Phase,
  result: PhaseResult,
  step: Tensor,
  ofStep: Readonly<Record<string, Tensor>>,
  updates: readonly Node[],
  alarm?: Tensor,
): StepGraph {
  const training = alarm !== undefined;
  const { loss, count, weight, sums, means, ratios, ofPrediction } = result;
  const single = { loss, count, ...(weight && { [WEIGHT]: weight }), ...ofStep, ...sums, ...means };
  const values = new Map<string, Tensor>(Object.entries(single));
  for (const [key, [total, counted]] of Object.entries(ratios)) {
    values.set(key, total).set(key + COUNTED, counted);
  }
  const metrics = ofPrediction?.metrics ?? [];
  scope("metrics", () => {
    if (ofPrediction === undefined) return;
    values.set(SAMPLES, sum(ofPrediction.batch.weights));
    for (const metric of metrics) {
      if (!values.has(metric.key))
        values.set(metric.key, metric.sums(ofPrediction.prediction, ofPrediction.batch));
    }
  });
  const columns = [...values].map(([key, { size }]) => ({ name: key, size }));
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
  const keys = Object.keys;
  const layout = { columns, metrics, sums: keys(sums), means: keys(means), ratios: keys(ratios) };
  return { name, every, spec: { outputs: [], updates: [...updates, log] }, ring, layout };
}
