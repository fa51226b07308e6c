/** Adam (Kingma and Ba, 2014) and AdamW (Loshchilov and Hutter, 2017), torch.optim's options and defaults. */

import { checkOptions, type OptionKinds } from "../common/options.ts";
import type { Tensor } from "../graph/tensor.ts";
import { COMMON, type CommonOptions, checkRange, defineOptimizer, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";
import { adamUpdate } from "./updates/adam.ts";

export interface AdamOptions extends CommonOptions {
  /** Default 1e-3. */
  readonly learningRate?: number | Schedule;
  /** Memory of the gradient's and of the squared gradient's mean. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly eps?: number;
  /** adam: L2 penalty through the gradient, default 0. adamw: shrinks the weights themselves, default 0.01. */
  readonly weightDecay?: number;
  /** Climb instead of descend. Default false. */
  readonly maximize?: boolean;
}

const ADAM = {
  learningRate: "any",
  betas: "array",
  eps: "number",
  weightDecay: "number",
  maximize: "boolean",
  ...COMMON,
} as const satisfies OptionKinds<AdamOptions>;

/** Throws ValueError on options outside their range. */
export function adam(options: AdamOptions = {}): Optimizer {
  return make("adam", options, 0, false);
}

/** Adam whose weight decay does not pass through the moments. Throws ValueError on options outside their range. */
export function adamw(options: AdamOptions = {}): Optimizer {
  return make("adamw", options, 0.01, true);
}

function make(name: string, given: AdamOptions, decay: number, decoupled: boolean): Optimizer {
  const options = checkOptions(name, given, ADAM);
  const { learningRate = 1e-3, betas = [0.9, 0.999], eps = 1e-8 } = options;
  const { weightDecay = decay, maximize = false } = options;
  const [beta1, beta2] = betas;
  checkRange(name, "betas[0]", beta1, 0, 1);
  checkRange(name, "betas[1]", beta2, 0, 1);
  checkRange(name, "eps", eps, 0, Number.POSITIVE_INFINITY);
  const attrs = { beta1, beta2, eps, weightDecay, decoupled, maximize };
  return defineOptimizer({
    name,
    learningRate,
    weightDecay,
    options,
    packed: ["m", "v"],
    update(p, g, { learningRate: lr, packed, groups, alarm, step, every }) {
      const { m, v } = packed as { readonly m: Tensor; readonly v: Tensor };
      const tensors = { p, g, m, v, step, lr, alarm, ...(groups === undefined ? {} : { groups }) };
      return adamUpdate(tensors, { ...attrs, every });
    },
  });
}
