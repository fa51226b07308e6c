/**
 * What an optimizer is: states beside the parameters, and updates that change both. States are made once; updates
 * may be built for several graphs (one per data set) over the same states.
 */
import { ValueError } from "../errors.ts";
import { pack } from "../ops/pack.ts";
import { packLayout } from "../plan/storage.ts";
import { type Node, state, type Tensor } from "../tensor.ts";
import { type ClipOptions, checkClip, clip } from "./clip.ts";

export interface OptimizerStates {
  /** f32 `[1]`: what the next step goes by. Written by the host or changed by an update (a schedule). */
  readonly learningRate: Tensor;
  /** States in the layout of the packed parameters, by the names that checkpoints give them: `m`, `v`, `velocity`. */
  readonly packed: Readonly<Record<string, Tensor>>;
}

export interface Optimizer {
  /** `sgd`, `adam`, `adamw`. */
  readonly name: string;
  /** The learning rate that states begin with. */
  readonly learningRate: number;
  states(parameters: readonly Tensor[]): OptimizerStates;
  /**
   * The updates of one step. `grads[i]` belongs to `parameters[i]`; `step` is a u32 `[1]` state that counts from 0 and
   * that somebody else moves on.
   */
  updates(
    parameters: readonly Tensor[],
    grads: readonly Tensor[],
    states: OptimizerStates,
    step: Tensor,
  ): Node[];
}

/** The parts that optimizers differ in; `defineOptimizer` does the rest. */
export interface OptimizerParts {
  readonly name: string;
  readonly learningRate: number;
  readonly packed: readonly string[];
  readonly clip: ClipOptions;
  update(p: Tensor, g: Tensor, states: OptimizerStates, step: Tensor): Node;
}

/** An optimizer out of its parts: packs parameters and gradients, so that an update is one dispatch over everything. */
export function defineOptimizer(parts: OptimizerParts): Optimizer {
  const { name, learningRate, packed } = parts;
  checkClip(name, parts.clip);
  checkRange(name, "learningRate", learningRate, 0, Number.POSITIVE_INFINITY);
  return {
    name,
    learningRate,
    states(parameters) {
      const { words } = packLayout(parameters.map((t) => t.size));
      return {
        learningRate: state([1], learningRate, "f32", "learning rate"),
        packed: Object.fromEntries(packed.map((key) => [key, state([words], 0, "f32", key)])),
      };
    },
    updates(parameters, grads, states, step) {
      if (parameters.length !== grads.length) {
        throw new ValueError(
          `${name}: needs one gradient per parameter, got ${grads.length} for ${parameters.length}`,
        );
      }
      return [parts.update(pack(parameters), clip(pack(grads), parts.clip), states, step)];
    },
  };
}

/** Refuses a hyper-parameter outside [low, high), or that is not finite. */
export function checkRange(who: string, name: string, value: number, low: number, high: number): void {
  if (Number.isFinite(value) && value >= low && value < high) return;
  const range = high === Number.POSITIVE_INFINITY ? `at least ${low}` : `in [${low}, ${high})`;
  throw new ValueError(`${who}: ${name} must be a number ${range}, got ${value}`);
}
