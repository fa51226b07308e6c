/** RMSprop (Hinton, 2012; centered: Graves, 2013), torch.optim.RMSprop's options and defaults. */

import { checkOptions, type OptionKinds } from "../common/options.ts";
import type { Tensor } from "../graph/tensor.ts";
import { COMMON, type CommonOptions, checkRange, defineOptimizer, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";
import { rmspropUpdate } from "./updates/rmsprop.ts";

export interface RmspropOptions extends CommonOptions {
  /** Default 0.01. */
  readonly learningRate?: number | Schedule;
  /** Memory of the mean of squares. Default 0.99. */
  readonly alpha?: number;
  /** Added to the root. Default 1e-8. */
  readonly eps?: number;
  /** Default 0. */
  readonly momentum?: number;
  /** Divide by the variance's root, not by that of the squares' mean. Default false. */
  readonly centered?: boolean;
  /** L2 penalty, through the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Climb instead of descend. Default false. */
  readonly maximize?: boolean;
}

const RMSPROP = {
  learningRate: "any",
  alpha: "number",
  eps: "number",
  momentum: "number",
  centered: "boolean",
  weightDecay: "number",
  maximize: "boolean",
  ...COMMON,
} as const satisfies OptionKinds<RmspropOptions>;

/** Throws ValueError on options outside their range. */
export function rmsprop(given: RmspropOptions = {}): Optimizer {
  const options = checkOptions("rmsprop", given, RMSPROP);
  const { learningRate = 0.01, alpha = 0.99, eps = 1e-8, momentum = 0, centered = false } = options;
  const { weightDecay = 0, maximize = false } = options;
  checkRange("rmsprop", "alpha", alpha, 0, 1);
  checkRange("rmsprop", "eps", eps, 0, Number.POSITIVE_INFINITY);
  checkRange("rmsprop", "momentum", momentum, 0, Number.POSITIVE_INFINITY);
  const attrs = { alpha, eps, momentum, centered, weightDecay, maximize };
  return defineOptimizer({
    name: "rmsprop",
    learningRate,
    weightDecay,
    options,
    packed: ["v", ...(centered ? ["mean"] : []), ...(momentum === 0 ? [] : ["velocity"])],
    update(p, g, { learningRate: lr, packed, groups, alarm, step, every }) {
      const { v, mean, velocity } = packed as { readonly v: Tensor; readonly [name: string]: Tensor };
      return rmspropUpdate({ p, g, lr, step, v, mean, velocity, groups, alarm }, { ...attrs, every });
    },
  });
}
