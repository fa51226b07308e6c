/** Adagrad (Duchi, Hazan and Singer, 2011), torch.optim.Adagrad's options and defaults. */

import { checkOptions, type OptionKinds } from "../common/options.ts";
import type { Tensor } from "../graph/tensor.ts";
import { COMMON, type CommonOptions, checkRange, defineOptimizer, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";
import { adagradUpdate } from "./updates/adagrad.ts";

export interface AdagradOptions extends CommonOptions {
  /** Default 0.01. */
  readonly learningRate?: number | Schedule;
  /** The rate of update t, from 0, is divided by 1 + t times this. Default 0. */
  readonly learningRateDecay?: number;
  /** What the sums of squares begin with. Default 0. */
  readonly initialAccumulatorValue?: number;
  /** Added to the root. Default 1e-10. */
  readonly eps?: number;
  /** L2 penalty, through the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Climb instead of descend. Default false. */
  readonly maximize?: boolean;
}

const ADAGRAD = {
  learningRate: "any",
  learningRateDecay: "number",
  initialAccumulatorValue: "number",
  eps: "number",
  weightDecay: "number",
  maximize: "boolean",
  ...COMMON,
} as const satisfies OptionKinds<AdagradOptions>;

/** Throws ValueError on options outside their range. */
export function adagrad(given: AdagradOptions = {}): Optimizer {
  const options = checkOptions("adagrad", given, ADAGRAD);
  const { learningRate = 0.01, learningRateDecay = 0, initialAccumulatorValue = 0, eps = 1e-10 } = options;
  const { weightDecay = 0, maximize = false } = options;
  checkRange("adagrad", "learningRateDecay", learningRateDecay, 0, Number.POSITIVE_INFINITY);
  checkRange("adagrad", "initialAccumulatorValue", initialAccumulatorValue, 0, Number.POSITIVE_INFINITY);
  checkRange("adagrad", "eps", eps, 0, Number.POSITIVE_INFINITY);
  const attrs = { learningRateDecay, eps, weightDecay, maximize };
  return defineOptimizer({
    name: "adagrad",
    learningRate,
    weightDecay,
    options,
    packed: { sum: initialAccumulatorValue },
    update(p, g, { learningRate: lr, packed, groups, alarm, step, every }) {
      const { sum: total } = packed as { readonly sum: Tensor };
      return adagradUpdate({ p, g, total, step, lr, groups, alarm }, { ...attrs, every });
    },
  });
}
