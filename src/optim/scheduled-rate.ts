/**
 * Scalars that follow the step counter on the device: the number of updates, whether an update is due, and learning rates by a
 * formula that exists as WGSL and as a function on numbers. Nothing that changes from step to step is compiled in.
 */
import { expectWhole } from "../graph/op.ts";
import type { DType } from "../graph/spec.ts";
import type { Tensor } from "../graph/tensor.ts";
import { literal } from "../kernels/elementwise/group.ts";
import { mathFunctions, specialFunctions } from "../kernels/elementwise/wgsl-functions.ts";
import { scheduleFunctions } from "../kernels/optimizer/steps-and-schedules.ts";
import { definePointwise } from "../ops/elementwise/pointwise.ts";

/** f32 of u32. */
const ofSteps = ([step]: readonly DType[]): DType | undefined => (step === "u32" ? "f32" : undefined);

const updateCountOp = definePointwise<{ every: number }>({
  name: "updateCount",
  args: ["step"],
  dtype: ofSteps,
  wgsl: ([step], { every }) => `f32(${step} / ${every}u)`,
  scalar: ([step], { every }) => Math.floor(step! / every),
});

const updateIsDueOp = definePointwise<{ every: number }>({
  name: "updateIsDue",
  args: ["step"],
  dtype: ofSteps,
  wgsl: ([step], { every }) => `select(0.0, 1.0, (${step} + 1u) % ${every}u == 0u)`,
  scalar: ([step], { every }) => ((step! + 1) % every === 0 ? 1 : 0),
});

/** Number of updates before this step, one following every `every` steps: f32, exact up to 2^24. `step`: u32. */
export function updateCount(step: Tensor, every = 1): Tensor {
  return updateCountOp.one([step], { every: expectWhole("updateCount", "every", every, 1) });
}

/** f32: 1 at a step that ends with an update, else 0. `step`: u32. */
export function updateIsDue(step: Tensor, every: number): Tensor {
  return updateIsDueOp.one([step], { every: expectWhole("updateIsDue", "every", every, 1) });
}

/** A rate as a function of the number of updates before this one. */
export interface RateFormula {
  /** The rate on which the formula is built; another one at run time scales the whole of it. */
  readonly learningRate: number;
  rate(count: number): number;
  /** The same as an expression; the functions of schedule-functions.wgsl and math-functions.wgsl may be called. */
  wgsl(count: string): string;
}

/**
 * The rate f32 [1] of this step: `formula` at floor(step / every), times rate / formula.learningRate, `rate` being the
 * rate f32 [1] that the host may change. `step` u32 [1].
 */
export function scheduledRate(formula: RateFormula, rate: Tensor, step: Tensor, every = 1): Tensor {
  return ratesAt(formula, updateCount(step, every), rate);
}

/** The same for any number of counts, whole numbers as f32. */
export function ratesAt(formula: RateFormula, counts: Tensor, rate: Tensor): Tensor {
  const op = definePointwise<{ learningRate: number }>({
    name: "schedule",
    args: ["count", "rate"],
    functions: [specialFunctions, mathFunctions, scheduleFunctions],
    // A quotient: exactly 1 unless the rate was changed during the run.
    wgsl: ([count, r], { learningRate }) =>
      `(${formula.wgsl(count as string)}) * (${r} / ${literal(learningRate)})`,
    scalar: ([count, r], { learningRate }) => formula.rate(count!) * (r! / learningRate),
  });
  return op.one([counts, rate], { learningRate: formula.learningRate });
}
