/**
 * Linear layers in PyTorch's layout, float32: y = activation(x wᵀ + b) + residual. The three gradients come out of one
 * dispatch. Activations, residuals and what is done to dx are put there by the rewrites in fusion/linear.ts.
 */
import { type DefinedOp, defineOp, expectSpec, expectTensor, shapeError } from "../../graph/op.ts";
import { type Shape, type Spec, sameShape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ACTIVATION, ADDED, activate, derivative } from "../../kernels/activation-codes.ts";
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
  /** Whether what the activation is applied to is a second result. */
  readonly saves?: boolean;
  /** Whether the last input is a tensor like y that is added to it. */
  readonly residual?: boolean;
}

/** x [N, IN], w [OUT, IN], b [OUT], residual [N, OUT] -> y [N, OUT], before like y; not saved, it is a single unset element. */
export const linearOp: DefinedOp<LinearAttrs> = defineOp({
  name: "linear",
  args: ["x", "w", "b", "residual"],
  results: ["y", "before"],
  variants: PRODUCT_VARIANTS,
  plan(inputs, { activation, saves = false, residual = false }: LinearAttrs) {
    const { N, IN, OUT } = sizes("linear", inputs);
    // Without a bias the residual comes in its place.
    const b = residual && inputs.length === 3 ? undefined : inputs[2];
    if (b !== undefined && (b.dtype !== "f32" || !sameShape(b.shape, [OUT])))
      throw shapeError("linear", `bias must be f32[${OUT}], one number per row of w`, inputs);
    const added = residual ? inputs.at(-1) : undefined;
    if (added !== undefined && (added.dtype !== "f32" || !sameShape(added.shape, [N, OUT])))
      throw shapeError("linear", `residual must be f32[${N}, ${OUT}]`, inputs);
    return {
      outputs: [
        { shape: [N, OUT], dtype: "f32" },
        { shape: saves ? [N, OUT] : [1], dtype: "f32" },
      ],
      constants: { N, IN, OUT, activation, saves, BIAS: b !== undefined, RESIDUAL: residual },
    };
  },
  cpu({ x, w, b, residual, y, before }, { N, IN, OUT, activation, saves, BIAS, RESIDUAL }) {
    const added = BIAS ? residual : b;
    for (let n = 0; n < N; n++) {
      for (let o = 0; o < OUT; o++) {
        const at = n * OUT + o;
        let sum = BIAS ? b[o]! : 0;
        for (let i = 0; i < IN; i++) sum += x[n * IN + i]! * w[o * IN + i]!;
        if (saves) before[at] = sum;
        y[at] = activate(activation, sum) + (RESIDUAL ? added[at]! : 0);
      }
    }
  },
  kernels({ N, IN, OUT, activation, saves, BIAS, RESIDUAL }, env) {
    const operands = { M: N, N: OUT, K: IN, a: "x", b: "w", transposeA: false, transposeB: true, y: "y" };
    const ending = {
      bias: BIAS ? "b" : undefined,
      activation,
      before: saves ? "before" : undefined,
      extra: RESIDUAL ? { name: BIAS ? "residual" : "b", kind: ADDED } : undefined,
    };
    return productKernels({ ...operands, ...ending }, env);
  },
  backward: ({ inputs: [x, w], outputs: [y], grads: [dy], needs, attrs }) => {
    const before = ACTIVATED.find((a) => a.code === attrs.activation);
    const g = before === undefined ? dy! : before.backward.one([dy!, y!], {});
    const [needsX = false, needsW = false, needsB = false] = needs;
    const grads = linearBackwardOp.apply([x!, w!, g], {
      extra: 0,
      needsX,
      needsW,
      needsB,
    });
    return grads.filter((_, i) => i < needs.length).map((t, i) => (needs[i] ? t : undefined));
  },
});

export interface LinearBackwardAttrs {
  /** 0, or what the last input does to dx: ADDED, or the code of the activation of which it is the output or the input. */
  readonly extra: number;
  readonly needsX: boolean;
  readonly needsW: boolean;
  readonly needsB: boolean;
}

/** x [N, IN], w [OUT, IN], dy [N, OUT], extra [N, IN] -> dx, dw, db; those not needed are single unset elements. */
export const linearBackwardOp: DefinedOp<LinearBackwardAttrs> = defineOp({
  name: "linearBackward",
  args: ["x", "w", "dy", "extra"],
  results: ["dx", "dw", "db"],
  variants: LINEAR_BACKWARD_VARIANTS,
  plan(inputs, { extra, needsX, needsW, needsB }: LinearBackwardAttrs) {
    const { N, IN, OUT } = sizes("linearBackward", inputs);
    const [, , dy, other] = inputs;
    if (dy === undefined || dy.dtype !== "f32" || !sameShape(dy.shape, [N, OUT]))
      throw shapeError("linearBackward", `dy must be f32[${N}, ${OUT}]`, inputs);
    if ((other !== undefined) !== (extra !== 0))
      throw shapeError("linearBackward", "a fourth input, and what it does to dx, go together", inputs);
    if (other !== undefined && (other.dtype !== "f32" || !sameShape(other.shape, [N, IN])))
      throw shapeError("linearBackward", `extra must be f32[${N}, ${IN}]`, inputs);
    const spec = (needed: boolean, shape: Shape): Spec => ({ shape: needed ? shape : [1], dtype: "f32" });
    return {
      outputs: [spec(needsX, [N, IN]), spec(needsW, [OUT, IN]), spec(needsB, [OUT])],
      constants: { N, IN, OUT, extra, needsX, needsW, needsB },
    };
  },
  cpu({ x, w, dy, extra: other, dx, dw, db }, { N, IN, OUT, extra, needsX, needsW, needsB }) {
    for (let n = 0; needsX && n < N; n++) {
      for (let i = 0; i < IN; i++) {
        let sum = 0;
        for (let o = 0; o < OUT; o++) sum += dy[n * OUT + o]! * w[o * IN + i]!;
        dx[n * IN + i] = withExtra(extra, sum, other[n * IN + i]!);
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
  // Gradients are taken before fusion, so nothing is in addition. dx = dy w, dw = dyᵀ x, db = sum of dy, each of them linear in both factors.
  backward: ({ inputs: [x, w, dy, extra], grads: [gx, gw, gb], needs }) => {
    if (extra !== undefined) return [];
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

/** dx with what comes in addition: 0, not NaN, where relu is inactive and dx is infinite. */
function withExtra(kind: number, dx: number, extra: number): number {
  if (kind === ADDED) return dx + extra;
  if (kind === ACTIVATION.relu) return extra === 0 ? 0 : dx;
  return kind === 0 ? dx : dx * derivative(kind, extra);
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
