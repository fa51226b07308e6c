/** What an optimizer is: states beside the parameters, and updates that change both; and the options that all have. */

import type { Node, Tensor } from "../graph/tensor.ts";
import { ValueError } from "../validation/errors.ts";
import { type OptionKinds, shown } from "../validation/options.ts";
import type { ClipOptions } from "./clip.ts";
import type { Schedule } from "./schedules.ts";

/** Whether an option applies to a parameter, by its name (`0.weight`) and its tensor. */
export type ParameterFilter = (name: string, parameter: Tensor) => boolean;

export interface ParameterGroup {
  readonly filter: ParameterFilter;
  /** Factor of the learning rate in this group. Default 1. */
  readonly learningRateFactor?: number;
  /** Weight decay of this group. Default: the optimizer's. */
  readonly weightDecay?: number;
}

/** Options of every optimizer. */
export interface CommonOptions extends ClipOptions {
  /** L2 penalty, added to the gradient; if decoupled, parameters shrink by learning rate times this. Default 0. */
  readonly weightDecay?: number;
  /** Ascend instead of descend. Default false. */
  readonly maximize?: boolean;
  /** Which parameters have weight decay. Default: all. See `decaysWeights`. */
  readonly weightDecayFilter?: ParameterFilter;
  /** A parameter has the options of the first group whose filter accepts it, or the optimizer's own if none does. */
  readonly groups?: readonly ParameterGroup[];
  /** Gradients are averaged over this many steps, and an update follows. Default 1. */
  readonly accumulate?: number;
  /**
   * Skips steps with a gradient that is NaN or infinite: parameters, moments, averages and the number of updates stay as they
   * are. `states.skipped` counts such steps, and a trainer logs their share as the metric `skipped`. Default false: NaN shows.
   */
  readonly skipNonFinite?: boolean;
  /** Decay, in [0, 1), of an exponential moving average of the weights, which `Trainer.evaluate` can use. Default: none. */
  readonly averageDecay?: number;
}

export const COMMON = {
  weightDecay: "number",
  maximize: "boolean",
  weightDecayFilter: "function",
  groups: "array",
  accumulate: "number",
  skipNonFinite: "boolean",
  averageDecay: "number",
  clipNorm: "any",
  clipValue: "any",
} as const satisfies OptionKinds<CommonOptions>;

/** Options of every element of the flattened parameters: f32 `[words]`, or a number if all have the same. */
export interface ElementOptions {
  readonly weightDecay: Tensor | number;
  readonly learningRateFactor: Tensor | number;
}

export interface OptimizerStates {
  /** u32 `[1]`: steps taken so far. Each run of a graph with the optimizer's updates adds one. */
  readonly step: Tensor;
  /** f32 `[1]`: the learning rate, or what a schedule is scaled to. Written by the host. */
  readonly learningRate: Tensor;
  /**
   * u32 `[1]`: 1 after an update that began with a parameter, or had a gradient, that was NaN or infinite; `ops.record` logs
   * and resets it.
   */
  readonly alarm: Tensor;
  /** States in the layout of the flattened parameters, by their names in checkpoints: `m`, `v`, `velocity`. */
  readonly packed: Readonly<Record<string, Tensor>>;
  /** u32 `[1]`: how many of the steps were skipped; only with `skipNonFinite`. The rest are what schedules count. */
  readonly skipped?: Tensor;
  /** Names of the parameters. Default their labels. */
  readonly names?: readonly string[];
  /** What differs between parameters; only where groups or a filter were given. */
  readonly groups?: ElementOptions;
}

export interface Optimizer {
  /** `sgd`, `adam`, `adamw`. */
  readonly name: string;
  /** The learning rate that states start with. */
  readonly learningRate: number;
  /** The schedule of the learning rate, if there is one. */
  readonly schedule?: Schedule;
  /**
   * One step down `loss`, which must hold one value, in a loop without a trainer: its gradients and the updates that follow
   * from them. The states, the step count among them, are made at the first call for these parameters and belong to the
   * optimizer: other graphs, made by later calls, continue with them. Parameters that `loss` does not depend on stay as they
   * are. `parameters`: an array, or a Map by name as `nn.namedParameters` gives it, in any order; default all that the loss
   * depends on and that are not frozen. Throws GraphError where the loss depends on none of them.
   */
  minimize(loss: Tensor, parameters?: ParameterList): MinimizedStep;
  /**
   * The same with gradients from anywhere, such as inputs that the host writes: `gradients[i]` has the shape of parameter i, which
   * stays as it is if that is undefined.
   */
  apply(parameters: ParameterList, gradients: readonly (Tensor | undefined)[]): OwnStep;
  /** States for `parameters`; filters are called with `names`, default the tensors' labels. */
  states(parameters: readonly Tensor[], names?: readonly string[]): OptimizerStates;
  /**
   * The updates of one step. `grads[i]` belongs to `parameters[i]`, which does not change if that is undefined. One of the
   * updates increments `states.step`, or another u32 `[1]` state given as `step`, unless the graph has an update of its own
   * that does (`ops.record`).
   */
  updates(
    parameters: readonly Tensor[],
    grads: readonly (Tensor | undefined)[],
    states: OptimizerStates,
    step?: Tensor,
  ): Node[];
  /** The same updates, with values of the step that can be logged. */
  step(
    parameters: readonly Tensor[],
    grads: readonly (Tensor | undefined)[],
    states: OptimizerStates,
    step?: Tensor,
  ): OptimizerStep;
}

/** One step of an optimizer as graph nodes. */
export interface OptimizerStep {
  readonly updates: Node[];
  /** The flattened gradients of this step, before clipping and accumulation. */
  readonly gradient: Tensor;
  /** f32 [1]: the learning rate of this step. */
  readonly learningRate: Tensor;
  /** f32 [1]: 1 if this step is skipped, else 0; only with `skipNonFinite`. */
  readonly skipped?: Tensor;
}

/** Parameters, or parameters by name. */
export type ParameterList = readonly Tensor[] | ReadonlyMap<string, Tensor>;

/** A step of an optimizer with states of its own. */
export interface OwnStep extends OptimizerStep {
  readonly states: OptimizerStates;
}

export interface MinimizedStep extends OwnStep {
  /** The parameters, in the order of `gradients`. */
  readonly parameters: readonly Tensor[];
  /** Gradients of the loss; undefined for parameters that it does not depend on. */
  readonly gradients: readonly (Tensor | undefined)[];
}

/** Name of the state that holds averaged weights. */
export const AVERAGE = "average";

/** A `weightDecayFilter` as most training recipes have it: true for weights, false for biases and norms' vectors. */
export function decaysWeights(_name: string, parameter: Tensor): boolean {
  return parameter.rank > 1;
}

/** Refuses hyper-parameters that are not in [0, below), or not finite. */
export function checkRange(
  who: string,
  values: Readonly<Record<string, number>>,
  below = Number.POSITIVE_INFINITY,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (Number.isFinite(value) && value >= 0 && value < below) continue;
    const range = below === Number.POSITIVE_INFINITY ? "at least 0" : `in [0, ${below})`;
    throw new ValueError(`${who}: ${name} must be a number ${range}, got ${shown(value)}`);
  }
}
