/** The two graphs of a trainer: one training step, updates included, and one evaluation step. */
import { gradients } from "../autograd.ts";
import type { Loss, LossResult } from "../nn/loss.ts";
import { type BuildMode, build } from "../nn/mode.ts";
import { forward, type Layer } from "../nn/module.ts";
import { RandomSource } from "../ops/random.ts";
import { record } from "../ops/record.ts";
import type { Optimizer, OptimizerStates } from "../optim/optimizer.ts";
import type { GraphSpec } from "../plan/graph.ts";
import { type Node, scope, state, type Tensor } from "../tensor.ts";
import type { Batch } from "./resident.ts";
import { RING_STEPS } from "./runner.ts";

export interface StepGraph {
  readonly spec: GraphSpec;
  /** f32 [RING_STEPS, columns]: one row per step. */
  readonly ring: Tensor;
  /** Names of the columns after loss and count. */
  readonly sums: readonly string[];
}

/** Evaluates `batch` and records the result; moves `step` on. */
export function evaluationStep(model: Layer, loss: Loss, batch: Batch, step: Tensor): StepGraph {
  return recorded(apply(model, loss, batch, { training: false }).result, step, []);
}

/**
 * Trains on `batch`: loss, gradients, updates of the layers and the optimizer, and the record of it; moves `step` on.
 * Layers draw random numbers by `key` and `step`.
 */
export function trainingStep(
  model: Layer,
  loss: Loss,
  batch: Batch,
  step: Tensor,
  key: Tensor,
  parameters: readonly Tensor[],
  optimizer: Optimizer,
  states: OptimizerStates,
): StepGraph {
  const mode = { training: true, random: new RandomSource(step, key) };
  const { result, updates: ofLayers } = apply(model, loss, batch, mode);
  const grads = scope("gradient", () => gradients(result.loss, parameters));
  const updates = scope("optimizer", () => optimizer.updates(parameters, grads, states, step));
  return recorded(result, step, [...ofLayers, ...updates]);
}

function apply(model: Layer, loss: Loss, batch: Batch, mode: BuildMode) {
  return build(mode, (): LossResult => {
    const output = scope("model", () => forward(model, batch.x));
    return scope("loss", () => loss.build(output, batch.target, batch.weights));
  });
}

function recorded(result: LossResult, step: Tensor, updates: readonly Node[]): StepGraph {
  const sums = Object.keys(result.sums);
  const values = [result.loss, result.count, ...Object.values(result.sums)];
  const ring = state([RING_STEPS, values.length], 0, "f32", "metrics ring");
  return { spec: { outputs: [], updates: [...updates, record(ring, step, values)] }, ring, sums };
}
