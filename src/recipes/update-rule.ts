/** How weights are changed, as plain values: optimizer, rate, schedule, clipping. Made into an optimizer for a run's length. */
import { ValueError } from "../common/errors.ts";
import {
  type AdamOptions,
  adagrad,
  adam,
  adamw,
  cosine,
  decaysWeights,
  exponential,
  lion,
  multiStep,
  type Optimizer,
  oneCycle,
  polynomial,
  rmsprop,
  type Schedule,
  sgd,
  warmUp,
} from "../optim/index.ts";
import type { OptimizerName, ScheduleName } from "./update-names.ts";

export { type OptimizerName, optimizerNames, type ScheduleName, scheduleNames } from "./update-names.ts";

export interface UpdateRule {
  readonly optimizer: OptimizerName;
  /** The highest, with a schedule. */
  readonly learningRate: number;
  /** Default constant. */
  readonly schedule?: ScheduleName;
  /** Updates in which the rate rises from 0 before the schedule begins. Default 0. */
  readonly warmUpSteps?: number;
  /** Of sgd, momentum and rmsprop; default 0, of momentum 0.9. */
  readonly momentum?: number;
  /** Of adam and adamw. */
  readonly betas?: readonly [number, number];
  /** Of weights; biases and the vectors of norms don't decay. Default 0, or the optimizer's own. */
  readonly weightDecay?: number;
  readonly clipValue?: number;
  readonly clipNorm?: number;
  /** Steps whose gradients are averaged to one update. Default 1. */
  readonly accumulate?: number;
  /** Keeps a moving average of the weights, with this memory in [0, 1). */
  readonly averageDecay?: number;
}

/** Learning rates to begin with, for an optimizer that is not the recipe's. */
export const usualRates: Readonly<Record<OptimizerName, number>> = {
  sgd: 0.01,
  momentum: 0.01,
  adam: 1e-3,
  adamw: 1e-3,
  rmsprop: 1e-3,
  adagrad: 0.01,
  lion: 1e-4,
};

/** The optimizer of a run of `steps` steps. Throws ValueError on values outside their ranges, or that it does not have. */
export function optimizerOf(rule: UpdateRule, steps: number): Optimizer {
  const { optimizer, momentum, betas, weightDecay, clipNorm, clipValue, accumulate = 1, averageDecay } = rule;
  if (momentum !== undefined && !["sgd", "momentum", "rmsprop"].includes(optimizer)) {
    throw new ValueError(`${optimizer}: has no momentum to set; sgd, momentum and rmsprop have`);
  }
  const common = {
    ...(clipNorm === undefined ? {} : { clipNorm }),
    ...(clipValue === undefined ? {} : { clipValue }),
    ...(accumulate === 1 ? {} : { accumulate }),
    ...(averageDecay === undefined ? {} : { averageDecay }),
    ...(weightDecay === undefined ? {} : { weightDecay, weightDecayFilter: decaysWeights }),
  };
  // Schedules count updates.
  const learningRate = scheduleOf(rule, Math.max(1, Math.floor(steps / accumulate)));
  const ofAdam: AdamOptions = { learningRate, ...(betas ? { betas } : {}), ...common };
  switch (optimizer) {
    case "sgd":
      return sgd({ learningRate, momentum: momentum ?? 0, ...common });
    case "momentum":
      return sgd({ learningRate, momentum: momentum ?? 0.9, ...common });
    case "adam":
      return adam(ofAdam);
    case "adamw":
      return adamw(ofAdam);
    case "rmsprop":
      return rmsprop({ learningRate, momentum: momentum ?? 0, ...common });
    case "adagrad":
      return adagrad({ learningRate, ...common });
    case "lion":
      return lion(ofAdam);
  }
}

function scheduleOf(
  { learningRate, schedule = "constant", warmUpSteps = 0 }: UpdateRule,
  steps: number,
): number | Schedule {
  const rest = steps - warmUpSteps;
  if (rest < 1) {
    throw new ValueError(
      `schedule: warming up takes ${warmUpSteps} updates, the whole run has only ${steps}`,
    );
  }
  const after = falling(learningRate, schedule, rest);
  return warmUpSteps > 0 ? warmUp({ steps: warmUpSteps }, after) : after;
}

function falling(learningRate: number, schedule: ScheduleName, steps: number): number | Schedule {
  switch (schedule) {
    case "constant":
      return learningRate;
    case "linear":
      return polynomial({ learningRate, steps });
    case "cosine":
      return cosine({ learningRate, steps });
    case "oneCycle":
      // Too short a run has no cycle.
      return steps < 5 ? learningRate : oneCycle({ learningRate, steps });
    case "steps":
      return multiStep({ learningRate, milestones: milestones(steps) });
    case "exponential":
      return exponential({ learningRate, gamma: 0.01 ** (1 / steps) });
  }
}

function milestones(steps: number): number[] {
  const at = [Math.ceil(steps / 2), Math.ceil((3 * steps) / 4)];
  return at[0] === at[1] ? at.slice(0, 1) : at;
}
