/** Adamax (Kingma and Ba, 2014), torch.optim.Adamax's options and defaults. */

import { add, div, mul, sub } from "../ops/elementwise/arithmetic.ts";
import { maximum } from "../ops/elementwise/compare.ts";
import { abs } from "../ops/elementwise/math.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { biasCorrection, checkBetas } from "./adam.ts";
import { defineOptimizer, movingAverage } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

export interface AdamaxOptions extends CommonOptions {
  /** Default 2e-3. */
  readonly learningRate?: number | Schedule;
  /** Decay of the mean gradient and of the largest gradient. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the size of each gradient. Default 1e-8. */
  readonly eps?: number;
}

const ADAMAX = {
  learningRate: "any",
  ...COMMON,
  betas: "array",
  eps: "number",
} as const satisfies OptionKinds<AdamaxOptions>;

/** Throws ValueError on options outside their range. */
export function adamax(given: AdamaxOptions = {}): Optimizer {
  const checked = checkOptions("adamax", given, ADAMAX);
  const { learningRate = 2e-3, betas = [0.9, 0.999], eps = 1e-8, ...options } = checked;
  const [beta1, beta2] = checkBetas("adamax", betas);
  checkRange("adamax", { eps });
  return defineOptimizer({
    name: "adamax",
    learningRate,
    undefinedAtZero: eps === 0,
    options,
    states: ["m", "largest"],
    rule({ parameter, gradient, learningRate, updateCount, states }) {
      const m = movingAverage(states.m, gradient, beta1);
      const largest = maximum(mul(states.largest, beta2), add(abs(gradient), eps));
      const stride = div(learningRate, biasCorrection(beta1, add(updateCount, 1)));
      return { parameter: sub(parameter, div(mul(stride, m), largest)), m, largest };
    },
  });
}
