/** Stochastic gradient descent with momentum, torch.optim.SGD's options and defaults. */
import { ValueError } from "../common/errors.ts";
import { checkOptions, type OptionKinds } from "../common/options.ts";
import { COMMON, type CommonOptions, checkRange, defineOptimizer, type Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";
import { sgdUpdate } from "./updates/sgd.ts";

export interface SgdOptions extends CommonOptions {
  readonly learningRate: number | Schedule;
  /** Default 0. */
  readonly momentum?: number;
  /** Takes this part of each gradient away from the momentum. Default 0. */
  readonly dampening?: number;
  /** Nesterov's momentum; needs momentum and no dampening. Default false. */
  readonly nesterov?: boolean;
  /** L2 penalty, through the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Climb instead of descend. Default false. */
  readonly maximize?: boolean;
}

const SGD = {
  learningRate: "any",
  momentum: "number",
  dampening: "number",
  nesterov: "boolean",
  weightDecay: "number",
  maximize: "boolean",
  ...COMMON,
} as const satisfies OptionKinds<SgdOptions>;

/** Throws ValueError on options outside their range. */
export function sgd(given: SgdOptions): Optimizer {
  const options = checkOptions("sgd", given, SGD);
  const { learningRate, momentum = 0, dampening = 0, nesterov = false } = options;
  const { weightDecay = 0, maximize = false } = options;
  checkRange("sgd", "momentum", momentum, 0, Number.POSITIVE_INFINITY);
  if (!Number.isFinite(dampening)) throw new ValueError(`sgd: dampening must be a number, got ${dampening}`);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new ValueError(
      `sgd: nesterov needs momentum above 0 and no dampening, got momentum ${momentum} and dampening ${dampening}`,
    );
  }
  const attrs = { momentum, dampening, nesterov, weightDecay, maximize };
  return defineOptimizer({
    name: "sgd",
    learningRate,
    weightDecay,
    options,
    packed: momentum === 0 ? [] : ["velocity"],
    update(p, g, { learningRate: lr, packed: { velocity }, groups, alarm, step, every }) {
      const given = {
        ...(velocity === undefined ? {} : { velocity }),
        ...(groups === undefined ? {} : { groups }),
      };
      return sgdUpdate({ p, g, lr, step, alarm, ...given }, { ...attrs, every });
    },
  });
}
