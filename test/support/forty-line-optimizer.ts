/** Yogi (Zaheer et al., 2018, "Adaptive methods for nonconvex optimization"), which the library lacks: all that a new optimizer takes. */
import { ops, optim } from "../../src/index.ts";

export interface YogiOptions extends optim.CommonOptions {
  /** Default 0.01. */
  readonly learningRate?: number | optim.Schedule;
  /** Decay of the mean gradient and rate of the second moment. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-3. */
  readonly eps?: number;
}

/** Adam whose second moment moves by a fixed share of the squared gradient. */
export function yogi(given: YogiOptions = {}): optim.Optimizer {
  const { learningRate = 0.01, betas: [beta1, beta2] = [0.9, 0.999], eps = 1e-3, ...options } = given;
  return optim.defineOptimizer({
    name: "yogi",
    learningRate,
    options,
    states: { m: 0, v: 1e-6 },
    rule({ parameter, gradient, learningRate, states }) {
      const squared = ops.square(gradient);
      const m = ops.add(ops.mul(states.m, beta1), ops.mul(gradient, 1 - beta1));
      const v = ops.sub(states.v, ops.mul(ops.mul(ops.sign(ops.sub(states.v, squared)), squared), 1 - beta2));
      const change = ops.div(m, ops.add(ops.sqrt(v), eps));
      return { parameter: ops.sub(parameter, ops.mul(learningRate, change)), m, v };
    },
  });
}
