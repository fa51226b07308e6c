/** LAMB (You et al., 2019, "Large batch optimization for deep learning"), algorithm 2 with bias correction. */

import type { Tensor } from "../graph/tensor.ts";
import { add, div, mul, square, sub } from "../ops/elementwise/arithmetic.ts";
import { gt, where } from "../ops/elementwise/compare.ts";
import { rsqrt, sqrt } from "../ops/elementwise/math.ts";
import { norm } from "../ops/reduce/norm.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { biasCorrection, checkBetas } from "./adam.ts";
import { defineOptimizer, movingAverage } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

/** `weightDecay` times the weights is added to the direction, before its length is made that of the weights. */
export interface LambOptions extends CommonOptions {
  /** Default 1e-3. */
  readonly learningRate?: number | Schedule;
  /** Decay of the mean gradient and of the mean squared gradient. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-6. */
  readonly eps?: number;
}

const LAMB = {
  learningRate: "any",
  ...COMMON,
  betas: "array",
  eps: "number",
} as const satisfies OptionKinds<LambOptions>;

/** Each parameter moves by the learning rate times its own norm. Throws ValueError on options outside their range. */
export function lamb(given: LambOptions = {}): Optimizer {
  const checked = checkOptions("lamb", given, LAMB);
  const { learningRate = 1e-3, betas = [0.9, 0.999], eps = 1e-6, ...options } = checked;
  const [beta1, beta2] = checkBetas("lamb", betas);
  checkRange("lamb", { eps });
  return defineOptimizer({
    name: "lamb",
    learningRate,
    undefinedAtZero: eps === 0,
    decoupledWeightDecay: "rule",
    options,
    states: ["m", "v"],
    rule({ parameter, gradient, learningRate, weightDecay, updateCount, states, split, spread }) {
      const t = add(updateCount, 1);
      const m = movingAverage(states.m, gradient, beta1);
      const v = movingAverage(states.v, square(gradient), beta2);
      const root = add(mul(sqrt(v), rsqrt(biasCorrection(beta2, t))), eps);
      const adam = div(div(m, biasCorrection(beta1, t)), root);
      const direction = weightDecay === 0 ? adam : add(adam, mul(parameter, weightDecay));
      const directions = split(direction);
      const ratios = split(parameter).map((p, i) => {
        const [ofParameter, ofDirection] = [norm(p), norm(directions[i] as Tensor)];
        return where(gt(mul(ofParameter, ofDirection), 0), div(ofParameter, ofDirection), 1);
      });
      const next = sub(parameter, mul(mul(learningRate, spread(ratios)), direction));
      return { parameter: next, m, v };
    },
  });
}
