/** The update rule of a recipe as plain values (optimizer, rate, schedule, clipping), and the optimizer made from it. */

import {
  type AdamOptions,
  adadelta,
  adagrad,
  adam,
  adamax,
  adamw,
  cosine,
  decaysWeights,
  exponential,
  lamb,
  lion,
  multiStep,
  muon,
  nadam,
  type Optimizer,
  oneCycle,
  polynomial,
  radam,
  rmsprop,
  type Schedule,
  sgd,
  warmUp,
} from "../optim/index.ts";
import { defined } from "../validation/defined.ts";
import { ValueError } from "../validation/errors.ts";
import { checkChoice } from "../validation/options.ts";
import { type OptimizerName, optimizerNames, type ScheduleName, scheduleNames } from "./update-names.ts";

export { type OptimizerName, optimizerNames, type ScheduleName, scheduleNames } from "./update-names.ts";

export interface UpdateRule {
  readonly optimizer: OptimizerName;
  /** The highest one, with a schedule. */
  readonly learningRate: number;
  /** Default constant. */
  readonly schedule?: ScheduleName;
  /** Where the schedule `cosine` ends. Default 0. */
  readonly minLearningRate?: number;
  /** Number of updates in which the rate rises from 0 before the schedule begins. Default 0. */
  readonly warmUpSteps?: number;
  /** For sgd and rmsprop, default 0; for momentum, default 0.9; for muon, default 0.95. */
  readonly momentum?: number;
  /** For adam, adamw, adamax, nadam, radam, lamb and lion. */
  readonly betas?: readonly [number, number];
  /** For weights only, not for biases and the parameters of norms. Default 0, or the optimizer's own. */
  readonly weightDecay?: number;
  readonly clipValue?: number;
  readonly clipNorm?: number;
  /** Number of steps whose gradients are averaged for one update. Default 1. */
  readonly accumulate?: number;
  /** Decay of a moving average of the weights, in [0, 1). Default: no average. */
  readonly averageDecay?: number;
}

/** Learning rates for an optimizer other than the recipe's. */
export const defaultRates: Readonly<Record<OptimizerName, number>> = {
  sgd: 0.01,
  momentum: 0.01,
  adam: 1e-3,
  adamw: 1e-3,
  rmsprop: 1e-3,
  adagrad: 0.01,
  lion: 1e-4,
  adadelta: 1,
  adamax: 2e-3,
  nadam: 2e-3,
  radam: 1e-3,
  lamb: 1e-3,
  muon: 0.02,
};

/** The optimizer of a run of `steps` steps. Throws ValueError on values out of range, and on those that the optimizer does not have. */
export function optimizerOf(rule: UpdateRule, steps: number): Optimizer {
  const { optimizer, momentum, betas, weightDecay, clipNorm, clipValue, accumulate = 1, averageDecay } = rule;
  checkChoice("recipe", "optimizer", optimizer, optimizerNames);
  checkChoice("recipe", "schedule", rule.schedule ?? "constant", scheduleNames);
  if (momentum !== undefined && !["sgd", "momentum", "rmsprop", "muon"].includes(optimizer)) {
    throw new ValueError(`${optimizer}: has no momentum; sgd, momentum, rmsprop and muon have one`);
  }
  const common = {
    ...defined({ clipNorm, clipValue, averageDecay }),
    ...(accumulate === 1 ? {} : { accumulate }),
    ...(weightDecay === undefined ? {} : { weightDecay, weightDecayFilter: decaysWeights }),
  };
  // Schedules count updates.
  const learningRate = scheduleOf(rule, Math.max(1, Math.floor(steps / accumulate)));
  const plain = { learningRate, ...common };
  const withMomentum = (usual: number) => ({ ...plain, momentum: momentum ?? usual });
  const ofAdam: AdamOptions = { ...plain, ...defined({ betas }) };
  const make: Readonly<Record<OptimizerName, () => Optimizer>> = {
    sgd: () => sgd(withMomentum(0)),
    momentum: () => sgd(withMomentum(0.9)),
    adam: () => adam(ofAdam),
    adamw: () => adamw(ofAdam),
    rmsprop: () => rmsprop(withMomentum(0)),
    adagrad: () => adagrad(plain),
    lion: () => lion(ofAdam),
    adadelta: () => adadelta(plain),
    adamax: () => adamax(ofAdam),
    nadam: () => nadam(ofAdam),
    radam: () => radam(ofAdam),
    lamb: () => lamb(ofAdam),
    muon: () => muon(withMomentum(0.95)),
  };
  return make[optimizer]();
}

function scheduleOf(
  { schedule = "constant", warmUpSteps = 0, ...rates }: UpdateRule,
  steps: number,
): number | Schedule {
  const rest = steps - warmUpSteps;
  if (rest < 1) {
    throw new ValueError(
      `schedule: the warm-up of ${warmUpSteps} updates is longer than the run of ${steps}`,
    );
  }
  const after = afterWarmUp(rates, schedule, rest);
  return warmUpSteps > 0 ? warmUp({ steps: warmUpSteps }, after) : after;
}

function afterWarmUp(
  { learningRate, minLearningRate = 0 }: Pick<UpdateRule, "learningRate" | "minLearningRate">,
  schedule: ScheduleName,
  steps: number,
): number | Schedule {
  const make: Readonly<Record<ScheduleName, () => number | Schedule>> = {
    constant: () => learningRate,
    linear: () => polynomial({ learningRate, steps }),
    cosine: () => cosine({ learningRate, minLearningRate, steps }),
    // A cycle needs at least 5 steps.
    oneCycle: () => (steps < 5 ? learningRate : oneCycle({ learningRate, steps })),
    steps: () => multiStep({ learningRate, milestones: milestones(steps) }),
    exponential: () => exponential({ learningRate, gamma: 0.01 ** (1 / steps) }),
  };
  return make[schedule]();
}

function milestones(steps: number): number[] {
  const at = [Math.ceil(steps / 2), Math.ceil((3 * steps) / 4)];
  return at[0] === at[1] ? at.slice(0, 1) : at;
}
