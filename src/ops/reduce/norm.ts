/**
 * Norms, float32: the Euclidean norm of a whole tensor as an op of its own (for gradient clipping), others composed of
 * reductions. Squares above 3.4e38 overflow.
 */

import { type DefinedOp, defineOp, expectSpec } from "../../graph/op.ts";
import { sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { normKernels } from "../../kernels/reduce/reduce.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { div, mul, square } from "../elementwise/arithmetic.ts";
import { eq, where } from "../elementwise/compare.ts";
import { abs } from "../elementwise/math.ts";
import { max, rootOrZero } from "./reduce.ts";
import { REDUCE, type ReduceOptions, sum } from "./sum.ts";

export const normOp: DefinedOp<Record<string, never>> = defineOp({
  name: "norm",
  args: ["x"],
  results: ["y"],
  plan([x], _attrs: Record<string, never>) {
    const { shape } = expectSpec("norm", "x", x, x?.shape.length ?? 0);
    return { outputs: [{ shape: [], dtype: "f32" }], constants: { COUNT: sizeOf(shape) } };
  },
  cpu({ x, y }, { COUNT }) {
    let sum = 0;
    for (let i = 0; i < COUNT; i++) sum += x[i]! * x[i]!;
    y[0] = Math.sqrt(sum);
  },
  kernels: normKernels,
  // dx = dy x / y, and 0 at x = 0.
  backward: ({ inputs: [x], outputs: [y], grads: [dy] }) => [mul(x!, div(dy!, where(eq(y!, 0), 1, y!)))],
});

/** The root of the sum of all squares, shape []; gradient clipping uses it. The gradient at 0 is 0. */
export function globalNorm(x: Tensor): Tensor {
  return normOp.one([x], {});
}

export interface NormOptions extends ReduceOptions {
  /** 2 (default): root of the sum of squares. 1: sum of absolute values. Infinity: the largest absolute value. */
  readonly p?: 1 | 2 | typeof Number.POSITIVE_INFINITY;
}

/** The p-norm over `axes` (default all, shape []). The gradient at 0 is 0, as in PyTorch's vector_norm. */
export function norm(x: Tensor, options: NormOptions = {}): Tensor {
  const { p = 2, ...reduced } = checkOptions("norm", options, { ...REDUCE, p: "any" });
  const { axes, keepDims = false } = reduced;
  if (p === 1) return sum(abs(x), reduced);
  if (p === Number.POSITIVE_INFINITY) return max(abs(x), reduced);
  if (p !== 2) throw new ValueError(`norm: p must be 1, 2 or Infinity, got ${p}`);
  if (axes === undefined && !keepDims) return globalNorm(x);
  return rootOrZero(sum(square(x), reduced));
}
