/** softmax and logSoftmax along any axis, with gradients that have gradients. float32. The maximum is subtracted first. */
import { axisGeometry, eachRow, normalizeAxis } from "../../geometry/axis.ts";
import { type DefinedOp, defineOp, expectTensor, shapeError } from "../../graph/op.ts";
import { type Spec, sameShape } from "../../graph/spec.ts";
import type { BackwardContext, Tensor } from "../../graph/tensor.ts";
import { SOFTMAX_VARIANTS, softmaxBackwardKernels, softmaxKernels } from "../../kernels/reduce/axis.ts";
import { mul, sub } from "../elementwise/arithmetic.ts";
import { sum } from "./sum.ts";

interface Attrs {
  /** From 0. */
  readonly axis: number;
}

function plan(name: string, inputs: readonly Spec[], axis: number, isLog: boolean) {
  const [x, y = x] = inputs;
  if (x?.dtype !== "f32" || y?.dtype !== "f32") throw shapeError(name, "inputs must be f32", inputs);
  if (!sameShape(x.shape, y.shape)) throw shapeError(name, "inputs must have one shape", inputs);
  const constants = { ...axisGeometry(x.shape, axis), isLog };
  return { outputs: [{ shape: x.shape, dtype: "f32" as const }], constants };
}

function total(positions: readonly number[], term: (at: number) => number): number {
  return positions.reduce((s, at) => s + term(at), 0);
}

function forwardOp(name: string, isLog: boolean, backward: () => DefinedOp<Attrs>): DefinedOp<Attrs> {
  return defineOp({
    name,
    args: ["x"],
    results: ["y"],
    variants: SOFTMAX_VARIANTS,
    plan: (inputs, { axis }: Attrs) => plan(name, inputs, axis, isLog),
    cpu({ x, y }, g) {
      eachRow(g, (positions) => {
        const m = positions.reduce((most, at) => Math.max(most, x[at]!), Number.NEGATIVE_INFINITY);
        const s = total(positions, (at) => Math.exp(x[at]! - m));
        for (const at of positions) y[at] = isLog ? x[at]! - m - Math.log(s) : Math.exp(x[at]! - m) / s;
      });
    },
    kernels: softmaxKernels,
    backward: ({ outputs: [y], grads: [dy], attrs }) => [backward().one([dy!, y!], attrs)],
  });
}

function backwardOp(
  name: string,
  isLog: boolean,
  backward: (context: BackwardContext<Attrs>) => readonly (Tensor | undefined)[],
): DefinedOp<Attrs> {
  return defineOp({
    name,
    args: ["dy", "y"],
    results: ["dx"],
    variants: SOFTMAX_VARIANTS,
    plan: (inputs, { axis }: Attrs) => plan(name, inputs, axis, isLog),
    cpu({ dy, y, dx }, g) {
      eachRow(g, (positions) => {
        const s = total(positions, (at) => (isLog ? dy[at]! : dy[at]! * y[at]!));
        for (const at of positions) dx[at] = isLog ? dy[at]! - Math.exp(y[at]!) * s : y[at]! * (dy[at]! - s);
      });
    },
    kernels: softmaxBackwardKernels,
    backward,
  });
}

/** (dy, y) -> dx = y (dy - sum dy y). */
export const softmaxBackwardOp: DefinedOp<Attrs> = backwardOp("softmaxBackward", false, (context) => {
  const { inputs, grads, needs, attrs } = context;
  const [dy, y, d] = [inputs[0]!, inputs[1]!, grads[0]!];
  const along = (t: Tensor) => sum(t, { axes: attrs.axis, keepDims: true });
  return [
    needs[0] ? softmaxBackwardOp.one([d, y], attrs) : undefined,
    // d (dy - sum dy y) - dy sum d y
    needs[1] ? sub(mul(d, sub(dy, along(mul(dy, y)))), mul(dy, along(mul(d, y)))) : undefined,
  ];
});

/** (dy, y) -> dx = dy - exp(y) sum dy. */
export const logSoftmaxBackwardOp: DefinedOp<Attrs> = backwardOp("logSoftmaxBackward", true, (context) => {
  const { inputs, outputs, grads, needs, attrs } = context;
  const [dy, y, dx, d] = [inputs[0]!, inputs[1]!, outputs[0]!, grads[0]!];
  // softmax(y) is exp(y), since each row of exp(y) adds up to 1.
  const share = () => softmaxOp.one([y], attrs);
  return [
    needs[0] ? sub(d, sum(mul(d, share()), { axes: attrs.axis, keepDims: true })) : undefined,
    // -d exp(y) sum dy
    needs[1] ? mul(d, sub(dx, dy)) : undefined,
  ];
});

export const softmaxOp: DefinedOp<Attrs> = forwardOp("softmax", false, () => softmaxBackwardOp);
export const logSoftmaxOp: DefinedOp<Attrs> = forwardOp("logSoftmax", true, () => logSoftmaxBackwardOp);

/**
 * exp(x) / sum exp(x) along `axis`, default the last. A row that holds NaN, +Infinity or nothing but -Infinity becomes
 * NaN. Throws ShapeError on an axis that x does not have.
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  expectTensor("softmax", "x", x);
  return softmaxOp.one([x], { axis: normalizeAxis("softmax", x.rank, axis) });
}

/** log softmax(x) along `axis`, default the last, without the precision that log(softmax(x)) loses in small shares. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  expectTensor("logSoftmax", "x", x);
  return logSoftmaxOp.one([x], { axis: normalizeAxis("logSoftmax", x.rank, axis) });
}
