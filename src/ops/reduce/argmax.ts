/** Where the largest or the smallest element along an axis is. No gradient. */

import { spread } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, expectTensor, shapeError } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import { sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { specialFunctions } from "../../kernels/special-functions.ts";
import { normalizeAxes } from "./sum.ts";

const code = () => import("../../../shaders/reduce/argmax.wgsl?raw");

const shader = new Shader("argmax.wgsl", code, specialFunctions);

interface Attrs {
  readonly axis: number;
  readonly smallest: boolean;
}

/** (x) -> y i32 without `axis`, which counts from 0. */
export const argmaxOp: DefinedOp<Attrs> = defineOp({
  name: "argmax",
  args: ["x"],
  results: ["y"],
  variants: ["lines", "shared"],
  plan([x], { axis, smallest }: Attrs) {
    if (x?.dtype !== "f32")
      throw shapeError(smallest ? "argmin" : "argmax", "input must be f32", x ? [x] : []);
    const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
    return {
      outputs: [{ shape: [...before, ...after], dtype: "i32" }],
      constants: { OUTER: sizeOf(before), SIZE: x.shape[axis] ?? 1, INNER: sizeOf(after), smallest },
    };
  },
  cpu({ x, y }, { OUTER, SIZE, INNER, smallest }) {
    const wins = (v: number, best: number) => (smallest ? v < best : v > best);
    for (let outer = 0; outer < OUTER; outer++) {
      for (let inner = 0; inner < INNER; inner++) {
        const line = Array.from({ length: SIZE }, (_, k) => x[(outer * SIZE + k) * INNER + inner]!);
        const nan = line.findIndex(Number.isNaN);
        const winner = line.reduce((best, v, k) => (wins(v, line[best]!) ? k : best), 0);
        y[outer * INNER + inner] = nan < 0 ? winner : nan;
      }
    }
  },
  kernels({ OUTER, SIZE, INNER }, env) {
    // Lines are shared out over lanes where they are long, or where that lets a GPU read them in order.
    const long = SIZE >= 1024 || (!env.software && INNER === 1 && SIZE >= 64);
    const lines = OUTER * INNER;
    if ((env.variant ?? (long ? "shared" : "lines")) === "lines") {
      return {
        kernels: [{ shader, entry: "lines", bind: ["x", "y"], groups: spread(Math.ceil(lines / 64)) }],
      };
    }
    const constants = { LANES: env.software ? 16 : SIZE < 2048 ? 64 : 256 };
    return {
      kernels: [{ shader, entry: "sharedLines", bind: ["x", "y"], constants, groups: spread(lines) }],
    };
  },
});

/**
 * Index of the largest element along `axis` (default the last): f32 -> i32, without that axis. The first of equals; NaN
 * is the largest of all, as in PyTorch. Throws ShapeError on an axis that x does not have.
 */
export function argmax(x: Tensor, axis = -1): Tensor {
  expectTensor("argmax", "x", x);
  return argmaxOp.one([x], { axis: axisOf("argmax", x, axis), smallest: false });
}

/** As `argmax`, the smallest element's index. NaN is the smallest of all, as in PyTorch. */
export function argmin(x: Tensor, axis = -1): Tensor {
  expectTensor("argmin", "x", x);
  return argmaxOp.one([x], { axis: axisOf("argmin", x, axis), smallest: true }, "argmin");
}

function axisOf(op: string, x: Tensor, axis: number): number {
  return normalizeAxes(op, x.rank, axis)[0] as number;
}
