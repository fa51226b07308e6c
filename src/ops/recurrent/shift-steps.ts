/** Sequences moved by one step, or only cleared beyond their lengths: operands and gradients of recurrent layers. Float32. */
import { type DefinedOp, defineOp, expectSpec, shapeError } from "../../graph/op.ts";
import { type Spec, sameShape } from "../../graph/spec.ts";
import { shiftStepsKernels } from "../../kernels/recurrent/recurrence.ts";
import { GraphError } from "../../validation/errors.ts";

/** Code of the dtype of `lengths` in WGSL, 0 where there are none. Throws ShapeError. */
export function lengthsCode(op: string, lengths: Spec | undefined, N: number): number {
  if (lengths === undefined) return 0;
  const code = ["", "i32", "f32"].indexOf(lengths.dtype);
  if (code < 1 || !sameShape(lengths.shape, [N])) {
    throw shapeError(op, `lengths must be i32 or f32 of [${N}], the steps of each sample`, [lengths]);
  }
  return code;
}

/** Of what the gradient of a recurrence is made of. */
export const noSecondGradient = () =>
  new GraphError(
    "gradients: ops.recurrence and the recurrent layers have no gradients of gradients; with " +
      "{ unroll: true } they have",
  );

export interface ShiftAttrs {
  /** y[t] = x[t + by]: -1, 0 or 1. */
  readonly by: number;
  /** Whether the second input is a state [S, N, F], whose first plane stands for the step before the first. */
  readonly initial: boolean;
}

/**
 * (x [N, T, F], s0, lengths) -> y like x: x moved by `by` steps, the initial state or 0 where that is no step of the sample, and 0
 * at steps that are none.
 */
export const shiftStepsOp: DefinedOp<ShiftAttrs> = defineOp({
  name: "shiftSteps",
  args: ["x", "s0", "lengths"],
  results: ["y"],
  plan([x, s0, lengths], { by, initial }: ShiftAttrs) {
    const [N, T, F] = expectSpec("shiftSteps", "x", x, 3).shape as [number, number, number];
    if (initial) expectSpec("shiftSteps", "s0", s0, 3);
    return {
      outputs: [{ shape: [N, T, F], dtype: "f32" }],
      constants: { N, T, H: F, BY: by, INITIAL: initial, LENGTHS: lengthsCode("shiftSteps", lengths, N) },
    };
  },
  cpu({ x, s0, lengths, y }, { N, T, H, BY, INITIAL, LENGTHS }) {
    for (let n = 0; n < N; n++) {
      const isStep = (t: number) => t >= 0 && t < T && (LENGTHS === 0 || t < lengths[n]!);
      for (let t = 0; t < T; t++) {
        for (let j = 0; j < H; j++) {
          const from = isStep(t + BY) ? x[(n * T + t + BY) * H + j]! : INITIAL ? s0[n * H + j]! : 0;
          y[(n * T + t) * H + j] = isStep(t) ? from : 0;
        }
      }
    }
  },
  kernels: shiftStepsKernels,
  backward: ({ inputs: [, s0, lengths], grads: [dy], needs, attrs }) => {
    if (attrs.by !== 0 || attrs.initial) throw noSecondGradient();
    const rest = lengths === undefined ? [] : [s0!, lengths];
    return [needs[0] ? shiftStepsOp.one([dy!, ...rest], attrs) : undefined];
  },
});
