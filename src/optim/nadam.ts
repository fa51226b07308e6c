/** NAdam, Adam with Nesterov's momentum (Dozat, 2016), torch.optim.NAdam's options and defaults. */

import type { Tensor } from "../graph/tensor.ts";
import { add, div, mul, square, sub } from "../ops/elementwise/arithmetic.ts";
import { exp, rsqrt, sqrt } from "../ops/elementwise/math.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { biasCorrection, checkBetas } from "./adam.ts";
import { defineOptimizer, movingAverage } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

export interface NadamOptions extends CommonOptions {
  /** Default 2e-3. */
  readonly learningRate?: number | Schedule;
  /** Decay of the mean gradient and of the mean squared gradient. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly eps?: number;
  /** How fast the momentum rises from half of betas[0]. Default 4e-3. */
  readonly momentumDecay?: number;
}

const NADAM = {
  learningRate: "any",
  ...COMMON,
  betas: "array",
  eps: "number",
  momentumDecay: "number",
} as const satisfies OptionKinds<NadamOptions>;

/** Throws ValueError on options outside their range. */
export function nadam(given: NadamOptions = {}): Optimizer {
  const checked = checkOptions("nadam", given, NADAM);
  const { learningRate = 2e-3, betas = [0.9, 0.999], eps = 1e-8, momentumDecay = 4e-3, ...options } = checked;
  const [beta1, beta2] = checkBetas("nadam", betas);
  checkRange("nadam", { eps, momentumDecay });
  /** beta1 (1 - 0.96^(t momentumDecay) / 2). */
  const momentumAt = (t: Tensor) => mul(sub(1, mul(exp(mul(t, momentumDecay * Math.log(0.96))), 0.5)), beta1);
  return defineOptimizer({
    name: "nadam",
    learningRate,
    undefinedAtZero: eps === 0,
    options,
    // The product of all momenta has no closed form.
    states: { m: 0, v: 0, product: 1 },
    rule({ parameter, gradient, learningRate, updateCount, states }) {
      const t = add(updateCount, 1);
      const [momentum, next] = [momentumAt(t), momentumAt(add(t, 1))];
      const product = mul(states.product, momentum);
      const m = movingAverage(states.m, gradient, beta1);
      const v = movingAverage(states.v, square(gradient), beta2);
      const ofGradient = mul(div(sub(1, momentum), sub(1, product)), gradient);
      const ofMean = mul(div(next, sub(1, mul(product, next))), m);
      const root = add(mul(sqrt(v), rsqrt(biasCorrection(beta2, t))), eps);
      const change = div(mul(learningRate, add(ofGradient, ofMean)), root);
      return { parameter: sub(parameter, change), m, v, product };
    },
  });
}
