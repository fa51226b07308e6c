/** Indices of the largest or smallest elements along an axis. No gradient. */
import { axisGeometry, eachRow, normalizeAxis } from "../../geometry/axis.ts";
import { type DefinedOp, defineOp, expectTensor } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { argmaxKernels, dtypeCode } from "../../kernels/reduce/axis.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { expandDims } from "../shape/reshape.ts";

interface Attrs {
  /** From 0. */
  readonly axis: number;
  readonly smallest: boolean;
  /** Of equal elements the last instead of the first. */
  readonly lastWins: boolean;
}

/** (x) -> y i32, x's shape without `axis`. */
export const argmaxOp: DefinedOp<Attrs> = defineOp({
  name: "argmax",
  args: ["x"],
  results: ["y"],
  variants: ["rows", "shared"],
  plan([x], { axis, ...attrs }: Attrs) {
    const { shape, dtype } = x!;
    return {
      outputs: [{ shape: shape.toSpliced(axis, 1), dtype: "i32" }],
      constants: { ...axisGeometry(shape, axis), ...attrs, DTYPE: dtypeCode(dtype) },
    };
  },
  cpu({ x, y }, g) {
    const nan = Number.isNaN;
    const beats = (v: number, best: number) =>
      nan(v) || nan(best) ? nan(v) && !nan(best) : g.smallest ? v < best : v > best;
    eachRow(g, (positions, row) => {
      const wins = (v: number, best: number) => (g.lastWins ? !beats(best, v) : beats(v, best));
      y[row] = positions.reduce((best, at, k) => (wins(x[at]!, x[positions[best]!]!) ? k : best), 0);
    });
  },
  kernels: argmaxKernels,
});

export interface ArgmaxOptions {
  /** Of equal elements, and of several NaN, the last instead of the first. Default false. */
  readonly selectLastIndex?: boolean;
  /** Keep `axis` as 1. Default false. */
  readonly keepDims?: boolean;
  /** The same as `keepDims`. */
  readonly keepdim?: boolean;
}

const ARGMAX = {
  selectLastIndex: "boolean",
  keepDims: "boolean",
} as const satisfies OptionKinds<ArgmaxOptions>;

/**
 * Index of the largest element along `axis` (default the last): any dtype -> i32, without that axis. The first of equals, unless
 * `selectLastIndex`; NaN is the largest of all, as in PyTorch. Throws ShapeError on an axis that x does not have.
 */
export function argmax(x: Tensor, axis = -1, options: ArgmaxOptions = {}): Tensor {
  return argExtremum("argmax", x, axis, options);
}

/** As `argmax`, the smallest element's index. NaN is the smallest of all, as in PyTorch. */
export function argmin(x: Tensor, axis = -1, options: ArgmaxOptions = {}): Tensor {
  return argExtremum("argmin", x, axis, options);
}

function argExtremum(name: "argmax" | "argmin", x: Tensor, axis: number, options: ArgmaxOptions): Tensor {
  expectTensor(name, "x", x);
  const { selectLastIndex: lastWins = false, keepDims = false } = checkOptions(name, options, ARGMAX);
  const attrs = { axis: normalizeAxis(name, x.rank, axis), smallest: name === "argmin", lastWins };
  const y = argmaxOp.one([x], attrs, name);
  return keepDims ? expandDims(y, attrs.axis) : y;
}
