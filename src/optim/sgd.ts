/** Stochastic gradient descent with momentum, torch.optim.SGD's options and defaults. */

import { add, mul, sub } from "../ops/elementwise/arithmetic.ts";
import { eq, where } from "../ops/elementwise/compare.ts";
import { ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { defineOptimizer } from "./define-optimizer.ts";
import { COMMON, type CommonOptions, checkRange, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

export interface SgdOptions extends CommonOptions {
  readonly learningRate: number | Schedule;
  /** Default 0. */
  readonly momentum?: number;
  /** The share of each gradient that is not added to the momentum. Default 0. */
  readonly dampening?: number;
  /** Nesterov's momentum; needs momentum and no dampening. Default false. */
  readonly nesterov?: boolean;
}

const SGD = {
  learningRate: "any",
  ...COMMON,
  momentum: "number",
  dampening: "number",
  nesterov: "boolean",
} as const satisfies OptionKinds<SgdOptions>;

/** Throws ValueError on options outside their range. */
export function sgd(given: SgdOptions): Optimizer {
  const checked = checkOptions("sgd", given, SGD);
  const { learningRate, momentum = 0, dampening = 0, nesterov = false, ...options } = checked;
  checkRange("sgd", { momentum });
  if (!Number.isFinite(dampening)) throw new ValueError(`sgd: dampening must be a number, got ${dampening}`);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new ValueError(
      `sgd: nesterov needs momentum above 0 and no dampening, got momentum ${momentum} and dampening ${dampening}`,
    );
  }
  return defineOptimizer({
    name: "sgd",
    learningRate,
    options,
    states: momentum === 0 ? [] : ["velocity"],
    rule({ parameter, gradient, learningRate, updateCount, states }) {
      if (momentum === 0) return { parameter: sub(parameter, mul(learningRate, gradient)) };
      const moving = add(mul(states.velocity, momentum), mul(gradient, 1 - dampening));
      // The first velocity is the gradient, whatever the dampening.
      const velocity = where(eq(updateCount, 0), gradient, moving);
      const direction = nesterov ? add(gradient, mul(velocity, momentum)) : velocity;
      return { parameter: sub(parameter, mul(learningRate, direction)), velocity };
    },
  });
}
