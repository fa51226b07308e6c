/** SwiGLU: the first half of the last axis, through silu, gates the second half (Shazeer, 2020, "GLU variants"). */

import { type DefinedOp, defineOp, expectFloats, expectTensor, shapeError } from "../../graph/op.ts";
import { type Spec, sameShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ACTIVATION, activate, derivative } from "../../kernels/activation-codes.ts";
import { swigluBackwardKernels, swigluKernels } from "../../kernels/elementwise/swiglu.ts";
import { concat, split } from "../shape/concat.ts";
import { add, mul } from "./arithmetic.ts";
import { siluBackwardOp, siluOp } from "./gelu-silu.ts";

type None = Record<string, never>;

function halves(op: string, x: Spec | undefined) {
  if (x === undefined) throw shapeError(op, "x is missing", []);
  expectFloats(op, x);
  const length = x.shape.at(-1);
  if (length === undefined || length % 2 !== 0)
    throw shapeError(op, "the last axis of x must have an even length, the gate and what it multiplies", [x]);
  const shape = [...x.shape.slice(0, -1), length / 2];
  return { shape, constants: { ROWS: x.shape.slice(0, -1).reduce((a, b) => a * b, 1), F: length / 2 } };
}

/** x […, 2 F] -> y […, F]. */
export const swigluOp: DefinedOp<None> = defineOp({
  name: "swiglu",
  args: ["x"],
  results: ["y"],
  plan([x], _attrs: None) {
    const { shape, constants } = halves("swiglu", x);
    return { outputs: [{ shape, dtype: "f32" }], constants };
  },
  cpu({ x, y }, { F }) {
    for (let i = 0; i < y.length; i++) {
      const at = i + Math.floor(i / F) * F;
      y[i] = activate(ACTIVATION.silu, x[at]!) * x[at + F]!;
    }
  },
  kernels: swigluKernels,
  backward: ({ inputs: [x], grads: [dy] }) => [swigluBackwardOp.one([x!, dy!], {})],
});

/** (x […, 2 F], dy […, F]) -> dx like x. */
export const swigluBackwardOp: DefinedOp<None> = defineOp({
  name: "swigluBackward",
  args: ["x", "dy"],
  results: ["dx"],
  plan([x, dy], _attrs: None) {
    const { shape, constants } = halves("swigluBackward", x);
    if (dy === undefined || dy.dtype !== "f32" || !sameShape(dy.shape, shape))
      throw shapeError("swigluBackward", `dy must be f32[${shape}]`, dy ? [x!, dy] : [x!]);
    return { outputs: [{ shape: x!.shape, dtype: "f32" }], constants };
  },
  cpu({ x, dy, dx }, { F }) {
    for (let i = 0; i < dy.length; i++) {
      const at = i + Math.floor(i / F) * F;
      dx[at] = dy[i]! * x[at + F]! * derivative(ACTIVATION.silu, x[at]!);
      dx[at + F] = dy[i]! * activate(ACTIVATION.silu, x[at]!);
    }
  },
  kernels: swigluBackwardKernels,
  // dx is (s'(gate) dy up, s(gate) dy), s being silu.
  backward: ({ inputs: [x, dy], grads: [d], needs }) => {
    const axis = x!.rank - 1;
    const cut = (t: Tensor) => split(t, t.shape[axis]! / 2, axis) as [Tensor, Tensor];
    const [gate, up] = cut(x!);
    const [dGate, dUp] = cut(d!);
    const throughSilu = (v: Tensor) => siluBackwardOp.one([v, gate], {});
    const second = () => {
      const context = { inputs: [mul(dy!, up), gate], outputs: [], grads: [dGate], needs: [false, true] };
      return siluBackwardOp.backward!({ ...context, attrs: {} })[1]!;
    };
    return [
      needs[0]
        ? concat([add(second(), throughSilu(mul(dUp, dy!))), throughSilu(mul(dGate, dy!))], axis)
        : undefined,
      needs[1] ? add(throughSilu(mul(dGate, up)), mul(dUp, siluOp.one([gate], {}))) : undefined,
    ];
  },
});

/**
 * silu(gate) · up for x f32 […, 2 F], whose last axis holds the gate and then what it multiplies: […, F]. With one product of
 * both, `swiglu(linear(x, w))`, w stacks the two weights. Throws ShapeError on a last axis of odd length.
 */
export function swiglu(x: Tensor): Tensor {
  expectTensor("swiglu", "x", x);
  return swigluOp.one([x], {});
}
