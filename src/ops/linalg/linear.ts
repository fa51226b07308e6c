/**
 * Linear layers in PyTorch's layout, float32: y = activation(x wᵀ + b). The three gradients come out of one dispatch,
 * dx multiplied by the derivative of the activation that made x where the rewrite `fuseActivationGradients` says so.
 */
import { type DefinedOp, defineOp, expectSpec, expectTensor, shapeError } from "../../graph/op.ts";
import { type Shape, type Spec, sameShape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ACTIVATION, activate, derivative } from "../../kernels/activation-codes.ts";
import { LINEAR_BACKWARD_VARIANTS, linearBackwardKernels } from "../../kernels/gemm/linear-gradients.ts";
import { PRODUCT_VARIANTS, productKernels } from "../../kernels/gemm/matmul.ts";
import { add } from "../elementwise/arithmetic.ts";
import { ACTIVATED } from "../elementwise/relu-sigmoid-tanh.ts";
import { expand } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";
import { matmul } from "./matmul.ts";

export interface LinearAttrs {
  /** Code of the activation at the end, of ACTIVATION. */
  readonly activation: number;
}

/** x [N, IN], w [OUT, IN], b [OUT] -> y [N, OUT]. */
export const linearOp: DefinedOp<LinearAttrs> = defineOp({
  name: "linear",
  args: ["x", "w", "b"],
  results: ["y"],
  variants: PRODUCT_VARIANTS,
  plan(inputs, { activation }: LinearAttrs) {
    const { N, IN, OUT } = sizes("linear", inputs);
    const b = inputs[2];
    if (b !== undefined && (b.dtype !== "f32" || !sameShape(b.shape, [OUT])))
      throw shapeError("linear", `bias must be f32[${OUT}], one number per row of w`, inputs);
    return {
      outputs: [{ shape: [N, OUT], dtype: "f32" }],
      constants: { N, IN, OUT, activation, BIAS: b !== undefined },
    };
  },
  cpu({ x, w, b, y }, { N, IN, OUT, activation, BIAS }) {
    for (let n = 0; n < N; n++) {
      for (let o = 0; o < OUT; o++) {
        let sum = BIAS ? b[o]! : 0;
        for (let i = 0; i < IN; i++) sum += x[n * IN + i]! * w[o * IN + i]!;
        y[n * OUT + o] = activate(activation, sum);
      }
    }
  },
  kernels({ N, IN, OUT, activation, BIAS }, env) {
    const bias = BIAS ? "b" : undefined;
    return productKernels(
      { M: N, N: OUT, K: IN, a: "x", b: "w", transposeA: false, transposeB: true, y: "y", bias, activation },
      env,
    );
  },
  backward: ({ inputs: [x, w], outputs: [y], grads: [dy], needs, attrs }) => {
    const before = ACTIVATED.find((a) => a.code === attrs.activation);
    const g = before === undefined ? dy! : before.backward.one([dy!, y!], {});
    const [needsX = false, needsW = false, needsB = false] = needs;
    const grads = linearBackwardOp.apply([x!, w!, g], {
      activation: ACTIVATION.none,
      needsX,
      needsW,
      needsB,
    });
    return grads.filter((_, i) => i < needs.length).map((t, i) => (needs[i] ? t : undefined));
  },
});

export interface LinearBackwardAttrs {
  /** Code of the activation whose output is `saved`. */
  readonly activation: number;
  readonly needsX: boolean;
  readonly needsW: boolean;
  readonly needsB: boolean;
}

/** x [N, IN], w [OUT, IN], dy [N, OUT], saved [N, IN] -> dx, dw, db; those not needed are single unset elements. */
export const linearBackwardOp: DefinedOp<LinearBackwardAttrs> = defineOp({
  name: "linearBackward",
  args: ["x", "w", "dy", "saved"],
  results: ["dx", "dw", "db"],
  variants: LINEAR_BACKWARD_VARIANTS,
  plan(inputs, { activation, needsX, needsW, needsB }: LinearBackwardAttrs) {
    const { N, IN, OUT } = sizes("linearBackward", inputs);
    const [, , dy, saved] = inputs;
    if (dy === undefined || dy.dtype !== "f32" || !sameShape(dy.shape, [N, OUT]))
      throw shapeError("linearBackward", `dy must be f32[${N}, ${OUT}]`, inputs);
    if ((saved !== undefined) !== (activation !== ACTIVATION.none))
      throw shapeError(
        "linearBackward",
        "saved (an output of the activation) and activation go together",
        inputs,
      );
    if (saved !== undefined && (saved.dtype !== "f32" || !sameShape(saved.shape, [N, IN])))
      throw shapeError("linearBackward", `saved must be f32[${N}, ${IN}]`, inputs);
    const spec = (needed: boolean, shape: Shape): Spec => ({ shape: needed ? shape : [1], dtype: "f32" });
    return {
      outputs: [spec(needsX, [N, IN]), spec(needsW, [OUT, IN]), spec(needsB, [OUT])],
      constants: { N, IN, OUT, activation, needsX, needsW, needsB },
    };
  },
  cpu({ x, w, dy, saved, dx, dw, db }, { N, IN, OUT, activation, needsX, needsW, needsB }) {
    for (let n = 0; needsX && n < N; n++) {
      for (let i = 0; i < IN; i++) {
        let sum = 0;
        for (let o = 0; o < OUT; o++) sum += dy[n * OUT + o]! * w[o * IN + i]!;
        dx[n * IN + i] = activationGradient(activation, sum, saved[n * IN + i]!);
      }
    }
    for (let o = 0; needsW && o < OUT; o++) {
      for (let i = 0; i < IN; i++) {
        let sum = 0;
        for (let n = 0; n < N; n++) sum += dy[n * OUT + o]! * x[n * IN + i]!;
        dw[o * IN + i] = sum;
      }
    }
    for (let o = 0; needsB && o < OUT; o++) {
      let sum = 0;
      for (let n = 0; n < N; n++) sum += dy[n * OUT + o]!;
      db[o] = sum;
    }
  },
  kernels: linearBackwardKernels,
  // Gradients are taken before fusion, so nothing is saved. dx = dy w, dw = dyᵀ x, db = sum of dy, each of them linear in both factors.
  backward: ({ inputs: [x, w, dy, saved], grads: [gx, gw, gb], needs }) => {
    if (saved !== undefined) return [];
    const total = (...terms: (Tensor | undefined)[]): Tensor | undefined =>
      terms.reduce((a, t) => (a === undefined ? t : t === undefined ? a : add(a, t)), undefined);
    return [
      needs[0] && gw !== undefined ? matmul(dy!, gw) : undefined,
      needs[1] && gx !== undefined ? matmul(dy!, gx, { transposeA: true }) : undefined,
      needs[2]
        ? total(
            gx && matmul(gx, w!, { transposeB: true }),
            gw && matmul(x!, gw, { transposeB: true }),
            gb && expand(gb, dy!.shape),
          )
        : undefined,
    ];
  },
});

/** What the activation's own gradient op makes of dy: 0, not NaN, where relu is inactive and dy is infinite. */
function activationGradient(activation: number, dy: number, y: number): number {
  if (activation === ACTIVATION.relu) return y === 0 ? 0 : dy;
  return activation === ACTIVATION.none ? dy : dy * derivative(activation, y);
}

function sizes(op: string, [x, w]: readonly Spec[]): { N: number; IN: number; OUT: number } {
  const [N, IN] = expectSpec(op, "x", x, 2).shape as [number, number];
  const [OUT, columns] = expectSpec(op, "w", w, 2).shape as [number, number];
  if (columns !== IN) throw shapeError(op, `x has ${IN} features, w expects ${columns}`, [x!, w!]);
  return { N, IN, OUT };
}

/**
 * x wᵀ + b: `x [..., in]`, `w [out, in]`, `b [out]` (may be left out) -> `[..., out]`, float32, weights laid out as in
 * PyTorch. Throws ShapeError when sizes disagree.
 */
export function linear(x: Tensor, w: Tensor, b?: Tensor): Tensor {
  expectTensor("linear", "x", x);
  expectTensor("linear", "w", w);
  if (x.rank === 0) throw shapeError("linear", "x must have at least one axis", [x, w]);
  const lead = x.shape.slice(0, -1);
  const rows = x.rank === 2 ? x : reshape(x, [sizeOf(lead), x.shape.at(-1)!]);
  const y = linearOp.one(b === undefined ? [rows, w] : [rows, w, b], { activation: ACTIVATION.none });
  return x.rank === 2 ? y : reshape(y, [...lead, y.shape[1]!]);
}
