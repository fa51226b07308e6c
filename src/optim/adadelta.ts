/** Adadelta (Zeiler, 2012), torch.optim.Adadelta's options and defaults. */

import { add, div, mul, square, sub } from "../ops/elementwise/arithmetic.ts";
import { sqrt } from "../ops/elementwise/math.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { defineOptimizer, movingAverage } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

export interface AdadeltaOptions extends CommonOptions {
  /** Default 1. */
  readonly learningRate?: number | Schedule;
  /** Decay of the mean squared gradient and of the mean squared change. Default 0.9. */
  readonly rho?: number;
  /** Added to both before the root. Default 1e-6. */
  readonly eps?: number;
}

const ADADELTA = {
  learningRate: "any",
  ...COMMON,
  rho: "number",
  eps: "number",
} as const satisfies OptionKinds<AdadeltaOptions>;

/** Throws ValueError on options outside their range. */
export function adadelta(given: AdadeltaOptions = {}): Optimizer {
  const { learningRate = 1, rho = 0.9, eps = 1e-6, ...options } = checkOptions("adadelta", given, ADADELTA);
  checkRange("adadelta", { rho }, 1);
  checkRange("adadelta", { eps });
  return defineOptimizer({
    name: "adadelta",
    learningRate,
    undefinedAtZero: eps === 0,
    options,
    states: ["v", "change"],
    rule({ parameter, gradient, learningRate, states }) {
      const v = movingAverage(states.v, square(gradient), rho);
      const step = mul(div(sqrt(add(states.change, eps)), sqrt(add(v, eps))), gradient);
      const change = movingAverage(states.change, square(step), rho);
      return { parameter: sub(parameter, mul(learningRate, step)), v, change };
    },
  });
}
