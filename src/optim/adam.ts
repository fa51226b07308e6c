/** Adam (Kingma and Ba, 2014) and AdamW (Loshchilov and Hutter, 2017), torch.optim's options and defaults. */

import type { Tensor } from "../graph/tensor.ts";
import { add, div, mul, neg, square, sub } from "../ops/elementwise/arithmetic.ts";
import { maximum } from "../ops/elementwise/compare.ts";
import { expm1, rsqrt, sqrt } from "../ops/elementwise/math.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { defineOptimizer, movingAverage } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

/** `weightDecay` defaults to 0 with adam and to 0.01 with adamw. */
export interface AdamOptions extends CommonOptions {
  /** Default 1e-3. */
  readonly learningRate?: number | Schedule;
  /** Decay of the mean gradient and of the mean squared gradient. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly eps?: number;
  /** Divide by the root of the largest mean squared gradient so far (Reddi et al., 2018). Default false. */
  readonly amsgrad?: boolean;
}

const ADAM = {
  learningRate: "any",
  ...COMMON,
  betas: "array",
  eps: "number",
  amsgrad: "boolean",
} as const satisfies OptionKinds<AdamOptions>;

/** Throws ValueError on options outside their range. */
export function adam(options: AdamOptions = {}): Optimizer {
  return make("adam", options, false);
}

/** Adam whose weight decay does not pass through the moments. Throws ValueError on options outside their range. */
export function adamw(options: AdamOptions = {}): Optimizer {
  return make("adamw", options, true);
}

function make(name: string, given: AdamOptions, decoupledWeightDecay: boolean): Optimizer {
  const checked = checkOptions(name, given, ADAM);
  const { learningRate = 1e-3, betas = [0.9, 0.999], eps = 1e-8, amsgrad = false, ...common } = checked;
  const [beta1, beta2] = checkBetas(name, betas);
  checkRange(name, { eps });
  const options = { ...common, weightDecay: common.weightDecay ?? (decoupledWeightDecay ? 0.01 : 0) };
  return defineOptimizer({
    name,
    learningRate,
    undefinedAtZero: eps === 0,
    decoupledWeightDecay,
    options,
    states: ["m", "v", ...(amsgrad ? (["largest"] as const) : [])],
    rule({ parameter, gradient, learningRate, updateCount, states }) {
      const t = add(updateCount, 1);
      const m = movingAverage(states.m, gradient, beta1);
      const v = movingAverage(states.v, square(gradient), beta2);
      const largest = amsgrad ? maximum(states.largest, v) : undefined;
      const root = mul(sqrt(largest ?? v), rsqrt(biasCorrection(beta2, t)));
      const stride = div(learningRate, biasCorrection(beta1, t));
      return {
        parameter: sub(parameter, div(mul(stride, m), add(root, eps))),
        m,
        v,
        ...(largest && { largest }),
      };
    },
  });
}

/** Throws ValueError unless both are in [0, 1). */
export function checkBetas(who: string, betas: readonly [number, number]): readonly [number, number] {
  checkRange(who, { "betas[0]": betas[0], "betas[1]": betas[1] }, 1);
  return betas;
}

/** 1 - beta^t, accurate where beta^t is close to 1. */
export function biasCorrection(beta: number, t: Tensor): Tensor {
  // ln 0 is infinite; e^-1000 is 0 as well.
  return neg(expm1(mul(t, Math.max(Math.log(beta), -1000))));
}
