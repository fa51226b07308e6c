/** Running sums along one axis, float32, in a fixed order. */

import { spread } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, expectTensor, shapeError } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import { sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { normalizeAxes } from "./sum.ts";

const code = () => import("../../../shaders/reduce/cumsum.wgsl?raw");

const shader = new Shader("cumsum.wgsl", code);

interface Attrs {
  readonly axis: number;
  /** From the last element on: the gradient of running sums. */
  readonly reverse: boolean;
}

export const cumsumOp: DefinedOp<Attrs> = defineOp({
  name: "cumsum",
  args: ["x"],
  results: ["y"],
  variants: ["lines", "shared"],
  plan([x], { axis, reverse }: Attrs) {
    if (x?.dtype !== "f32") throw shapeError("cumsum", "input must be f32", x ? [x] : []);
    const [OUTER, INNER] = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis + 1))];
    return {
      outputs: [{ shape: x.shape, dtype: "f32" }],
      constants: { OUTER, SIZE: x.shape[axis] ?? 1, INNER, reverse },
    };
  },
  cpu({ x, y }, { OUTER, SIZE, INNER, reverse }) {
    for (let outer = 0; outer < OUTER; outer++) {
      for (let inner = 0; inner < INNER; inner++) {
        let sum = 0;
        for (let k = 0; k < SIZE; k++) {
          const at = (outer * SIZE + (reverse ? SIZE - 1 - k : k)) * INNER + inner;
          sum += x[at]!;
          y[at] = sum;
        }
      }
    }
  },
  kernels({ OUTER, SIZE, INNER }, env) {
    const lines = OUTER * INNER;
    const bind = ["x", "y"];
    const long = SIZE >= 256 && lines < 4096;
    if ((env.variant ?? (long ? "shared" : "lines")) === "lines") {
      return { kernels: [{ shader, entry: "lines", bind, groups: spread(Math.ceil(lines / 64)) }] };
    }
    const LANES = env.software ? 16 : 64;
    const constants = { LANES, CHUNK: Math.ceil(SIZE / LANES) };
    return { kernels: [{ shader, entry: "sharedLines", bind, constants, groups: spread(lines) }] };
  },
  backward: ({ grads: [dy], attrs }) => [cumsumOp.one([dy!], { ...attrs, reverse: !attrs.reverse })],
});

/** y[k] = x[0] + … + x[k] along `axis`, of x's shape. Throws ShapeError on an axis that x does not have. */
export function cumsum(x: Tensor, axis: number): Tensor {
  expectTensor("cumsum", "x", x);
  return cumsumOp.one([x], { axis: normalizeAxes("cumsum", x.rank, axis)[0] as number, reverse: false });
}
