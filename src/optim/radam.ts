/** RAdam, Adam with a rectified variance (Liu et al., 2019), torch.optim.RAdam's options and defaults. */

import type { Tensor } from "../graph/tensor.ts";
import { add, div, mul, square, sub } from "../ops/elementwise/arithmetic.ts";
import { gt, lt, where } from "../ops/elementwise/compare.ts";
import { expm1, sqrt } from "../ops/elementwise/math.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { biasCorrection, checkBetas } from "./adam.ts";
import { defineOptimizer, movingAverage } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

export interface RadamOptions extends CommonOptions {
  /** Default 1e-3. */
  readonly learningRate?: number | Schedule;
  /** Decay of the mean gradient and of the mean squared gradient. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly eps?: number;
}

const RADAM = {
  learningRate: "any",
  ...COMMON,
  betas: "array",
  eps: "number",
} as const satisfies OptionKinds<RadamOptions>;

/** Throws ValueError on options outside their range. */
export function radam(given: RadamOptions = {}): Optimizer {
  const checked = checkOptions("radam", given, RADAM);
  const { learningRate = 1e-3, betas = [0.9, 0.999], eps = 1e-8, ...options } = checked;
  const [beta1, beta2] = checkBetas("radam", betas);
  checkRange("radam", { eps });
  return defineOptimizer({
    name: "radam",
    learningRate,
    undefinedAtZero: eps === 0,
    options,
    states: ["m", "v"],
    rule({ parameter, gradient, learningRate, updateCount, states }) {
      const t = add(updateCount, 1);
      const m = movingAverage(states.m, gradient, beta1);
      const v = movingAverage(states.v, square(gradient), beta2);
      const mean = div(m, biasCorrection(beta1, t));
      const { length, most } = movingAverageLength(beta2, t);
      const rectified = div(
        mul(mul(sub(length, 4), sub(length, 2)), most),
        mul(length, (most - 4) * (most - 2)),
      );
      const factor = sqrt(mul(rectified, biasCorrection(beta2, t)));
      // Of few steps the variance says nothing yet.
      const adaptive = where(gt(length, 5), div(factor, add(sqrt(v), eps)), 1);
      return { parameter: sub(parameter, mul(learningRate, mul(mean, adaptive))), m, v };
    },
  });
}

/**
 * The length of the simple moving average that beta's exponential one approximates after t steps, most - 2 t beta^t / (1 - beta^t),
 * and most = 2 / (1 - beta) - 1. In float32 that formula cancels. With u = -ln beta and Langevin's function
 * L(x) = coth x - 1 / x it is t - t L(t u / 2) + L(u / 2).
 */
function movingAverageLength(beta: number, t: Tensor): { length: Tensor; most: number } {
  const u = Math.min(-Math.log(beta), 1000);
  const most = 2 / (1 - beta) - 1;
  const x = mul(t, u / 2);
  const x2 = square(x);
  const coefficients = [1 / 3, -1 / 45, 2 / 945, -1 / 4725, 2 / 93555, -1382 / 638512875, 4 / 18243225];
  const series = coefficients
    .slice(0, -1)
    .reduceRight((sum: Tensor | number, c) => add(mul(x2, sum), c), coefficients.at(-1)!) as Tensor;
  const small = mul(t, sub(1, mul(x, series)));
  const large = sub(2 / u, div(mul(t, 2), expm1(mul(x, 2))));
  return { length: add(where(lt(x, 1), small, large), most - 2 / u), most };
}
