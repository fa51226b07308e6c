/**
 * Learning rates that follow the step on the device: the step counter as a float, and a pointwise op of a formula that
 * exists as WGSL and as a function on numbers. Nothing that changes from step to step is compiled in.
 */

import { type DefinedOp, defineOp, expectWhole } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { literal } from "../../kernels/elementwise/chain.ts";
import { specialFunctions } from "../../kernels/special-functions.ts";
import { definePointwise } from "../../ops/elementwise/pointwise.ts";
import { expectOne } from "../../ops/state/packed-update.ts";

const math = () => import("../../../shaders/elementwise/math-functions.wgsl?raw");
const code = () => import("../../../shaders/optimizer/schedule.wgsl?raw");
const functions = () => import("../../../shaders/optimizer/schedule-functions.wgsl?raw");

const shader = new Shader("schedule.wgsl", code);

/** (step u32 [1]) -> count f32 [1] = floor(step / every), exact up to 2^24. */
export const stepCountOp: DefinedOp<{ readonly every: number }> = defineOp({
  name: "stepCount",
  args: ["step"],
  results: ["count"],
  plan([step], { every }: { readonly every: number }) {
    expectOne("stepCount", "step", step, "u32");
    const EVERY = expectWhole("stepCount", "every", every, 1);
    return { outputs: [{ shape: [1], dtype: "f32" }], constants: { EVERY } };
  },
  cpu({ step, count }, { EVERY }) {
    count[0] = Math.floor(step[0]! / EVERY);
  },
  kernels: () => ({ kernels: [{ shader, entry: "stepCount", bind: ["step", "count"], groups: [1] }] }),
});

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
  return ratesAt(formula, stepCountOp.one([step], { every }), rate);
}

/** The same for any number of counts, whole numbers as f32. */
export function ratesAt(formula: RateFormula, counts: Tensor, rate: Tensor): Tensor {
  const op = definePointwise<{ learningRate: number }>({
    name: "schedule",
    args: ["count", "rate"],
    functions: [specialFunctions, math, functions],
    // A quotient: exactly 1 unless the rate was changed during the run.
    wgsl: ([count, r], { learningRate }) =>
      `(${formula.wgsl(count as string)}) * (${r} / ${literal(learningRate)})`,
    scalar: ([count, r], { learningRate }) => formula.rate(count!) * (r! / learningRate),
  });
  return op.one([counts, rate], { learningRate: formula.learningRate });
}
