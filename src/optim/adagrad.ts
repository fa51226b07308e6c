/** Adagrad (Duchi, Hazan and Singer, 2011), torch.optim.Adagrad's options and defaults. */

import { add, div, mul, square, sub } from "../ops/elementwise/arithmetic.ts";
import { sqrt } from "../ops/elementwise/math.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { defineOptimizer } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

export interface AdagradOptions extends CommonOptions {
  /** Default 0.01. */
  readonly learningRate?: number | Schedule;
  /** The rate of update t, from 0, is divided by 1 + t times this. Default 0. */
  readonly learningRateDecay?: number;
  /** First value of the sums of squares. Default 0. */
  readonly initialAccumulatorValue?: number;
  /** Added to the root. Default 1e-10. */
  readonly eps?: number;
}

const ADAGRAD = {
  learningRate: "any",
  ...COMMON,
  learningRateDecay: "number",
  initialAccumulatorValue: "number",
  eps: "number",
} as const satisfies OptionKinds<AdagradOptions>;

/** Throws ValueError on options outside their range. */
export function adagrad(given: AdagradOptions = {}): Optimizer {
  const checked = checkOptions("adagrad", given, ADAGRAD);
  const {
    learningRate = 0.01,
    learningRateDecay = 0,
    initialAccumulatorValue = 0,
    eps = 1e-10,
    ...options
  } = checked;
  checkRange("adagrad", { learningRateDecay, initialAccumulatorValue, eps });
  return defineOptimizer({
    name: "adagrad",
    learningRate,
    undefinedAtZero: eps === 0,
    options,
    states: { sum: initialAccumulatorValue },
    rule({ parameter, gradient, learningRate, updateCount, states }) {
      const sum = add(states.sum, square(gradient));
      const rate =
        learningRateDecay === 0
          ? learningRate
          : div(learningRate, add(mul(updateCount, learningRateDecay), 1));
      return { parameter: sub(parameter, div(mul(rate, gradient), add(sqrt(sum), eps))), sum };
    },
  });
}
