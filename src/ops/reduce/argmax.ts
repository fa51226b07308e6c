/** Indices of the largest or smallest elements along an axis. No gradient. */
import { axisGeometry, eachRow, normalizeAxis } from "../../geometry/axis.ts";
import { type DefinedOp, defineOp, expectTensor, shapeError } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { argmaxKernels } from "../../kernels/reduce/axis.ts";

interface Attrs {
  /** From 0. */
  readonly axis: number;
  readonly smallest: boolean;
}

/** (x) -> y i32, x's shape without `axis`. */
export const argmaxOp: DefinedOp<Attrs> = defineOp({
  name: "argmax",
  args: ["x"],
  results: ["y"],
  variants: ["rows", "shared"],
  plan([x], { axis, smallest }: Attrs) {
    if (x?.dtype !== "f32")
      throw shapeError(smallest ? "argmin" : "argmax", "input must be f32", x ? [x] : []);
    return {
      outputs: [{ shape: x.shape.toSpliced(axis, 1), dtype: "i32" }],
      constants: { ...axisGeometry(x.shape, axis), smallest },
    };
  },
  cpu({ x, y }, g) {
    const wins = (v: number, best: number) => (g.smallest ? v < best : v > best);
    eachRow(g, (positions, row) => {
      const nan = positions.findIndex((at) => Number.isNaN(x[at]));
      const winner = positions.reduce((best, at, k) => (wins(x[at]!, x[positions[best]!]!) ? k : best), 0);
      y[row] = nan < 0 ? winner : nan;
    });
  },
  kernels: argmaxKernels,
});

/**
 * Index of the largest element along `axis` (default the last): f32 -> i32, without that axis. The first of equals; NaN
 * is the largest of all, as in PyTorch. Throws ShapeError on an axis that x does not have.
 */
export function argmax(x: Tensor, axis = -1): Tensor {
  expectTensor("argmax", "x", x);
  return argmaxOp.one([x], { axis: normalizeAxis("argmax", x.rank, axis), smallest: false });
}

/** As `argmax`, the smallest element's index. NaN is the smallest of all, as in PyTorch. */
export function argmin(x: Tensor, axis = -1): Tensor {
  expectTensor("argmin", "x", x);
  return argmaxOp.one([x], { axis: normalizeAxis("argmin", x.rank, axis), smallest: true }, "argmin");
}
