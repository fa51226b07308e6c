/** Lion (Chen et al., 2023, "Symbolic discovery of optimization algorithms"), with the paper's defaults. */

import { checkOptions, type OptionKinds } from "../common/options.ts";
import type { Tensor } from "../graph/tensor.ts";
import { COMMON, type CommonOptions, checkRange, defineOptimizer, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";
import { lionUpdate } from "./updates/lion.ts";

export interface LionOptions extends CommonOptions {
  /** Default 1e-4: every weight moves by this much at each step. */
  readonly learningRate?: number | Schedule;
  /** Memory within a step, and from step to step. Default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
  /** Shrinks the weights themselves, as in adamw. Default 0. */
  readonly weightDecay?: number;
  /** Climb instead of descend. Default false. */
  readonly maximize?: boolean;
}

const LION = {
  learningRate: "any",
  betas: "array",
  weightDecay: "number",
  maximize: "boolean",
  ...COMMON,
} as const satisfies OptionKinds<LionOptions>;

/** Throws ValueError on options outside their range. */
export function lion(given: LionOptions = {}): Optimizer {
  const options = checkOptions("lion", given, LION);
  const { learningRate = 1e-4, betas = [0.9, 0.99], weightDecay = 0, maximize = false } = options;
  const [beta1, beta2] = betas;
  checkRange("lion", "betas[0]", beta1, 0, 1);
  checkRange("lion", "betas[1]", beta2, 0, 1);
  const attrs = { beta1, beta2, weightDecay, maximize };
  return defineOptimizer({
    name: "lion",
    learningRate,
    weightDecay,
    options,
    packed: ["m"],
    update(p, g, { learningRate: lr, packed, groups, alarm, step, every }) {
      const { m } = packed as { readonly m: Tensor };
      return lionUpdate({ p, g, m, step, lr, groups, alarm }, { ...attrs, every });
    },
  });
}
