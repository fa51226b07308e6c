/** The same elements under another shape, without moving them: reshape and flatten. Any dtype. */
import { ShapeError } from "../errors.ts";
import { defineOp, shapeError } from "../op.ts";
import { checkShape, formatShape, type Shape, sizeOf, type Tensor } from "../tensor.ts";

export const reshapeOp = defineOp({
  name: "reshape",
  args: ["x"],
  results: ["y"],
  view: "reshape",
  plan([x], attrs: { shape: Shape }) {
    checkShape("reshape", attrs.shape);
    if (x === undefined || sizeOf(attrs.shape) !== sizeOf(x.shape)) {
      throw shapeError("reshape", `${formatShape(attrs.shape)} must hold as many elements`, x ? [x] : []);
    }
    return { outputs: [{ shape: attrs.shape, dtype: x.dtype }], constants: {} };
  },
  cpu() {},
  backward: ({ inputs: [x], grads: [dy] }) => [reshape(dy!, x!.shape)],
});

/** `x` with `shape`; one axis may be -1 and is worked out. Throws ShapeError when the sizes differ. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.filter((d) => d !== -1);
  if (known.length < shape.length - 1)
    throw new ShapeError(`reshape: only one axis may be -1, got ${formatShape(shape)}`);
  const rest = x.size / sizeOf(known);
  return reshapeOp.one([x], { shape: shape.map((d) => (d === -1 ? rest : d)) });
}

/** Axes `startAxis` to the last merged into one; with the default 1, `[N, …] -> [N, rest]`. */
export function flatten(x: Tensor, startAxis = 1): Tensor {
  const lead = x.shape.slice(0, startAxis);
  return reshape(x, [...lead, sizeOf(x.shape.slice(startAxis))]);
}
