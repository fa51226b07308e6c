/** RMSprop (Hinton, 2012; centered: Graves, 2013), torch.optim.RMSprop's options and defaults. */

import { add, div, mul, square, sub } from "../ops/elementwise/arithmetic.ts";
import { sqrt } from "../ops/elementwise/math.ts";
import { relu } from "../ops/elementwise/relu-sigmoid-tanh.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { defineOptimizer, movingAverage } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

export interface RmspropOptions extends CommonOptions {
  /** Default 0.01. */
  readonly learningRate?: number | Schedule;
  /** Decay of the mean squared gradient. Default 0.99. */
  readonly alpha?: number;
  /** Added to the root. Default 1e-8. */
  readonly eps?: number;
  /** Default 0. */
  readonly momentum?: number;
  /** Divide by the root of the variance instead of the mean square. Default false. */
  readonly centered?: boolean;
}

const RMSPROP = {
  learningRate: "any",
  ...COMMON,
  alpha: "number",
  eps: "number",
  momentum: "number",
  centered: "boolean",
} as const satisfies OptionKinds<RmspropOptions>;

/** Throws ValueError on options outside their range. */
export function rmsprop(given: RmspropOptions = {}): Optimizer {
  const checked = checkOptions("rmsprop", given, RMSPROP);
  const {
    learningRate = 0.01,
    alpha = 0.99,
    eps = 1e-8,
    momentum = 0,
    centered = false,
    ...options
  } = checked;
  checkRange("rmsprop", { alpha }, 1);
  checkRange("rmsprop", { eps, momentum });
  return defineOptimizer({
    name: "rmsprop",
    learningRate,
    undefinedAtZero: eps === 0,
    options,
    states: ["v", ...(centered ? (["mean"] as const) : []), ...(momentum > 0 ? (["velocity"] as const) : [])],
    rule({ parameter, gradient, learningRate, states }) {
      const v = movingAverage(states.v, square(gradient), alpha);
      const mean = centered ? movingAverage(states.mean, gradient, alpha) : undefined;
      // Rounding must not make the variance negative.
      const variance = mean === undefined ? v : relu(sub(v, square(mean)));
      const scaled = div(gradient, add(sqrt(variance), eps));
      const velocity = momentum > 0 ? add(mul(states.velocity, momentum), scaled) : undefined;
      const next = sub(parameter, mul(learningRate, velocity ?? scaled));
      return { parameter: next, v, ...(mean && { mean }), ...(velocity && { velocity }) };
    },
  });
}
