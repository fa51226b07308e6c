/** Running sums along one axis, float32. The order of additions is fixed: same input, same bits. */
import { axisGeometry, eachRow, normalizeAxis } from "../../geometry/axis.ts";
import { type DefinedOp, defineOp, expectTensor, shapeError } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { cumsumKernels } from "../../kernels/reduce/axis.ts";

interface Attrs {
  readonly axis: number;
  /** From the last element to the first: the gradient of running sums. */
  readonly reverse: boolean;
}

export const cumsumOp: DefinedOp<Attrs> = defineOp({
  name: "cumsum",
  args: ["x"],
  results: ["y"],
  variants: ["rows", "shared"],
  plan([x], { axis, reverse }: Attrs) {
    if (x?.dtype !== "f32") throw shapeError("cumsum", "input must be f32", x ? [x] : []);
    return {
      outputs: [{ shape: x.shape, dtype: "f32" }],
      constants: { ...axisGeometry(x.shape, axis), reverse },
    };
  },
  cpu({ x, y }, g) {
    eachRow(g, (positions) => {
      let sum = 0;
      for (const at of g.reverse ? [...positions].reverse() : positions) {
        sum += x[at]!;
        y[at] = sum;
      }
    });
  },
  kernels: cumsumKernels,
  backward: ({ grads: [dy], attrs }) => [cumsumOp.one([dy!], { ...attrs, reverse: !attrs.reverse })],
});

/** y[k] = x[0] + … + x[k] along `axis`, of x's shape. Throws ShapeError on an axis that x does not have. */
export function cumsum(x: Tensor, axis: number): Tensor {
  expectTensor("cumsum", "x", x);
  return cumsumOp.one([x], { axis: normalizeAxis("cumsum", x.rank, axis), reverse: false });
}
