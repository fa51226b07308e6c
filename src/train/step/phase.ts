/**
 * The one description of a training step from which graphs are built: phases, each with a function from batch to loss, its
 * parameters and its optimizer. A model with a loss is one phase, and so is a step function.
 */

import type { PairData } from "../../data/sharded.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import type { RandomSource } from "../../ops/random/random.ts";
import type { Optimizer } from "../../optim/optimizer.ts";
import type { Metric, MetricBatch } from "../metrics/definition.ts";

/** The batch of a step by the names of the data set's columns; an ordinary data set has `inputs` and `labels`. */
export interface StepBatch {
  readonly inputs: Tensor;
  readonly labels: Tensor;
  /** f32 [n]: 1 for a sample, 0 for padding, which must not count in losses, metrics and statistics. */
  readonly weights: Tensor;
  readonly [column: string]: Tensor;
}

/** What a step function gets besides the batch. */
export interface StepContext {
  /** False in evaluation, where nothing is updated. Layers such as dropout know it by themselves. */
  readonly training: boolean;
  /** Random numbers of this step, for `ops.randomNormal` and the like: new ones in every step, the same in a resumed run. */
  readonly random: RandomSource;
  /** u32 [1]: steps of the run before this one; of the evaluation in evaluation. */
  readonly step: Tensor;
}

/** What a step function returns. */
export interface StepResult {
  /** One number to minimise. Its mean over an epoch counts each step by the sum of its weights. */
  readonly loss: Tensor;
  /** Figures by name: one number, averaged as the loss is, or [sum, count], whose totals are divided. */
  readonly metrics?: Readonly<Record<string, Tensor | readonly [sum: Tensor, count: Tensor]>>;
  /** Updates of states of the model, besides those of its layers and the optimizer; not made in evaluation. */
  readonly updates?: readonly Node[];
}

/**
 * Builds the loss of a batch. Called when a step is compiled, for training and for evaluation. An annotation may name more
 * columns, as in `step: ({ tokens }: StepBatch & { tokens: Tensor }) => …`.
 */
export type StepFunction = { step(batch: StepBatch, context: StepContext): StepResult }["step"];

/** One whose annotation names all columns that it takes, as in `step: ({ tokens }: { tokens: Tensor }) => …`. */
export type ColumnsFunction = {
  step(batch: Readonly<Record<string, Tensor>>, context: StepContext): StepResult;
}["step"];

/** Where a step's batch comes from. */
export interface StepInput {
  readonly columns: Readonly<Record<string, Tensor>>;
  readonly weights: Tensor;
  /** The data set, if it has inputs and labels; undefined for batches of the user's own. */
  readonly dataset?: PairData;
}

/** The figures of a phase as tensors. */
export interface PhaseResult {
  readonly loss: Tensor;
  /** Sum of the samples' weights. */
  readonly count: Tensor;
  /** The divisor of the loss, where that is not `count`. */
  readonly weight?: Tensor;
  /** Sums over samples. */
  readonly sums: Readonly<Record<string, Tensor>>;
  /** Means over samples. */
  readonly means: Readonly<Record<string, Tensor>>;
  /** Sums with counts of their own. */
  readonly ratios: Readonly<Record<string, readonly [sum: Tensor, count: Tensor]>>;
  readonly updates: readonly Node[];
  /** What the metrics of the trainer's options are computed from. */
  readonly ofPrediction?: {
    readonly metrics: readonly Metric[];
    readonly prediction: Tensor;
    readonly batch: MetricBatch;
  };
}

/** A function from batch to loss, what it trains, and with which optimizer. */
export interface Phase {
  /** Empty for the only phase. */
  readonly name: string;
  /** By their names in files. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly optimizer: Optimizer;
  /** It runs in every step whose number, from 1, is a multiple of this. */
  readonly every: number;
  build(input: StepInput, context: StepContext): PhaseResult;
}

/** A step: its phases in order, and what all of them need. */
export interface StepDescription {
  readonly phases: readonly Phase[];
  /** Changes the batch for all phases; what it draws is the same for each. */
  shared(input: StepInput, context: StepContext): StepInput;
}
