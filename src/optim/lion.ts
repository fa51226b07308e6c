/** Lion (Chen et al., 2023, "Symbolic discovery of optimization algorithms"), with the paper's defaults. */

import { mul, sub } from "../ops/elementwise/arithmetic.ts";
import { sign } from "../ops/elementwise/math.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { checkBetas } from "./adam.ts";
import { defineOptimizer, movingAverage } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

/** `weightDecay` shrinks the weights themselves, as in adamw. */
export interface LionOptions extends CommonOptions {
  /** Default 1e-4: every weight changes by this much at each step. */
  readonly learningRate?: number | Schedule;
  /** Decay of the momentum within a step, and from step to step. Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
}

const LION = { learningRate: "any", ...COMMON, betas: "array" } as const satisfies OptionKinds<LionOptions>;

/** Throws ValueError on options outside their range. */
export function lion(given: LionOptions = {}): Optimizer {
  const { learningRate = 1e-4, betas = [0.9, 0.99], ...options } = checkOptions("lion", given, LION);
  const [beta1, beta2] = checkBetas("lion", betas);
  return defineOptimizer({
    name: "lion",
    learningRate,
    decoupledWeightDecay: true,
    options,
    states: ["m"],
    rule({ parameter, gradient, learningRate, states }) {
      const direction = sign(movingAverage(states.m, gradient, beta1));
      return {
        parameter: sub(parameter, mul(learningRate, direction)),
        m: movingAverage(states.m, gradient, beta2),
      };
    },
  });
}
