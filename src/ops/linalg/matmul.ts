/**
 * Matrix products with NumPy's batch broadcasting, operands transposed in place, float32. Kernels: src/kernels/gemm/matmul.ts.
 */

import { broadcastLoop, broadcastShape } from "../../geometry/broadcast.ts";
import { type DefinedOp, defineOp, expectTensor, shapeError } from "../../graph/op.ts";
import { type Shape, type Spec, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { PRODUCT_VARIANTS, productKernels } from "../../kernels/gemm/matmul.ts";
import { ShapeError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { sumTo } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";

interface Attrs {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Operands are [..., M, K] and [..., K, N] or their transposes, of rank 2 and more. */
export const matmulOp: DefinedOp<Attrs> = defineOp({
  name: "matmul",
  args: ["a", "b"],
  results: ["y"],
  variants: PRODUCT_VARIANTS,
  plan(inputs, { transposeA, transposeB }: Attrs) {
    const [a, b] = inputs;
    if (a === undefined || b === undefined) throw shapeError("matmul", "takes two inputs", inputs);
    if (a.dtype !== "f32" || b.dtype !== "f32") throw shapeError("matmul", "inputs must be f32", inputs);
    if (a.shape.length < 2 || b.shape.length < 2)
      throw shapeError("matmul", "inputs must be matrices or batches of them", inputs);
    const [M, K] = matrix(a, transposeA);
    const [inner, N] = matrix(b, transposeB);
    if (K !== inner) {
      const transposed = `${transposeA ? " (a transposed)" : ""}${transposeB ? " (b transposed)" : ""}`;
      throw shapeError("matmul", `inner sizes must agree, not ${K} and ${inner}${transposed}`, inputs);
    }
    const batches = inputs.map((s) => ({ shape: s.shape.slice(0, -2), dtype: s.dtype }));
    const batch = broadcastShape("matmul", batches);
    const { dims, strides } = broadcastLoop(
      batch,
      batches.map((s) => s.shape),
    );
    if (dims.length > 3)
      throw shapeError("matmul", "batch axes alternate between broadcast and not more than twice", inputs);
    const [, Z1, Z2] = last3(dims, 1);
    const [A0, A1, A2] = last3(strides[0] as readonly number[], 0).map((s) => s * M * K);
    const [B0, B1, B2] = last3(strides[1] as readonly number[], 0).map((s) => s * K * N);
    return {
      outputs: [{ shape: [...batch, M, N], dtype: "f32" }],
      constants: {
        M,
        N,
        K,
        transposeA,
        transposeB,
        BATCH: sizeOf(batch),
        Z1: Z1!,
        Z2: Z2!,
        A0: A0!,
        A1: A1!,
        A2: A2!,
        B0: B0!,
        B1: B1!,
        B2: B2!,
      },
    };
  },
  cpu({ a, b, y }, { M, N, K, transposeA, transposeB, BATCH, Z1, Z2, A0, A1, A2, B0, B1, B2 }) {
    const [AM, AK] = transposeA ? [1, M] : [K, 1];
    const [BK, BN] = transposeB ? [1, K] : [N, 1];
    for (let z = 0; z < BATCH; z++) {
      const [z0, z1, z2] = [Math.floor(z / (Z1 * Z2)), Math.floor(z / Z2) % Z1, z % Z2];
      const za = z0 * A0 + z1 * A1 + z2 * A2;
      const zb = z0 * B0 + z1 * B1 + z2 * B2;
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < N; n++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += a[za + m * AM + k * AK]! * b[zb + k * BK + n * BN]!;
          y[(z * M + m) * N + n] = sum;
        }
      }
    }
  },
  kernels: (constants, env) =>
    productKernels({ ...constants, batch: constants, a: "a", b: "b", y: "y" }, env),
  backward: ({ inputs: [a, b], grads: [dy], needs, attrs: { transposeA, transposeB } }) => {
    const da = () =>
      transposeA
        ? product(b!, dy!, { transposeA: transposeB, transposeB: true })
        : product(dy!, b!, { transposeA: false, transposeB: !transposeB });
    const db = () =>
      transposeB
        ? product(dy!, a!, { transposeA: true, transposeB: transposeA })
        : product(a!, dy!, { transposeA: !transposeA, transposeB: false });
    return [needs[0] ? sumTo(da(), a!.shape) : undefined, needs[1] ? sumTo(db(), b!.shape) : undefined];
  },
});

/** Rows and columns of the matrices in `spec`, transposed if so asked. */
function matrix({ shape }: Spec, transposed: boolean): readonly [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

function last3(list: readonly number[], filler: number): number[] {
  return [filler, filler, filler, ...list].slice(-3);
}

export interface MatmulOptions {
  /** Swap the last two axes of a. Default false. */
  readonly transposeA?: boolean;
  /** Swap the last two axes of b. Default false. */
  readonly transposeB?: boolean;
}

/**
 * Matrix product of float32 tensors: `[..., M, K] x [..., K, N] -> [..., M, N]`, batch axes broadcast as in NumPy.
 * A vector counts as a row on the left and as a column on the right, and its axis is dropped from the result.
 * Throws ShapeError when inner sizes differ, batch axes do not broadcast, or a vector is to be transposed.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  expectTensor("matmul", "a", a);
  expectTensor("matmul", "b", b);
  const kinds = { transposeA: "boolean", transposeB: "boolean" } as const;
  const { transposeA = false, transposeB = false } = checkOptions("matmul", options, kinds);
  if (a.rank === 0 || b.rank === 0)
    throw shapeError("matmul", "inputs must be vectors, matrices or batches", [a, b]);
  if ((a.rank === 1 && transposeA) || (b.rank === 1 && transposeB))
    throw new ShapeError("matmul: a vector has no transpose; leave transposeA or transposeB out");
  if (a.rank > 1 && b.rank > 1) return product(a, b, { transposeA, transposeB });
  const y = product(a.rank === 1 ? reshape(a, [1, a.size]) : a, b.rank === 1 ? reshape(b, [b.size, 1]) : b, {
    transposeA,
    transposeB,
  });
  const batch = y.shape.slice(0, -2);
  const kept = [...(a.rank === 1 ? [] : [y.shape.at(-2)!]), ...(b.rank === 1 ? [] : [y.shape.at(-1)!])];
  return reshape(y, [...batch, ...kept]);
}

/** A batch times one matrix is one tall product, whose gradient needs no sum over the batch. */
function product(a: Tensor, b: Tensor, attrs: Attrs): Tensor {
  if (a.rank > 2 && b.rank === 2 && !attrs.transposeA) {
    const lead: Shape = a.shape.slice(0, -1);
    const y = matmulOp.one([reshape(a, [sizeOf(lead), a.shape.at(-1)!]), b], attrs);
    return reshape(y, [...lead, y.shape[1]!]);
  }
  return matmulOp.one([a, b], attrs);
}
