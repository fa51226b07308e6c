/** Products of tensors made of matmul and softmax: attention, outer products, Einstein sums of two operands. */

import { expectTensor, shapeError } from "../../graph/op.ts";
import { formatShape } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { ShapeError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { mul } from "../elementwise/arithmetic.ts";
import { where } from "../elementwise/compare.ts";
import { matmul } from "../linalg/matmul.ts";
import { softmax } from "../reduce/softmax.ts";
import { sum } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";
import { permute } from "../shape/transpose.ts";

export interface AttentionOptions {
  /** Query i sees keys 0…i only. Default false. */
  readonly causal?: boolean;
  /** What scores are multiplied by. Default 1 / √E. */
  readonly scale?: number;
}

/**
 * softmax(q kᵀ scale) v: q f32 [..., L, E], k [..., S, E], v [..., S, EV] -> [..., L, EV], leading axes broadcasting.
 * torch.nn.functional.scaled_dot_product_attention. Throws ShapeError.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions = {},
): Tensor {
  expectTensor("scaledDotProductAttention", "q", q);
  expectTensor("scaledDotProductAttention", "k", k);
  expectTensor("scaledDotProductAttention", "v", v);
  if (q.rank < 2 || k.rank < 2 || v.rank < 2) {
    throw shapeError("scaledDotProductAttention", "q, k and v must be matrices or batches of them", [
      q,
      k,
      v,
    ]);
  }
  const kinds = { causal: "boolean", scale: "number" } as const;
  const { causal = false, scale = 1 / Math.sqrt(q.shape.at(-1) as number) } = checkOptions(
    "scaledDotProductAttention",
    options,
    kinds,
  );
  const scores = mul(matmul(q, k, { transposeB: true }), scale);
  if (!causal) return matmul(softmax(scores), v);
  const [L, S] = scores.shape.slice(-2) as [number, number];
  const seen = Float32Array.from({ length: L * S }, (_, e) => (e % S <= Math.floor(e / S) ? 1 : 0));
  return matmul(softmax(where(constant(seen, [L, S]), scores, Number.NEGATIVE_INFINITY)), v);
}

/** a[i] b[j]: vectors [M] and [N] -> [M, N]. Throws ShapeError on other ranks. */
export function outer(a: Tensor, b: Tensor): Tensor {
  expectTensor("outer", "a", a);
  expectTensor("outer", "b", b);
  if (a.rank !== 1 || b.rank !== 1) throw shapeError("outer", "takes two vectors", [a, b]);
  return mul(reshape(a, [a.size, 1]), b);
}

/**
 * Einstein's sum of two operands: `einsum("bij,bjk->bik", a, b)`. A label of both operands that the result lacks is summed
 * over; without `->` the result has the labels that come once, in alphabetical order. Letters only: a label twice in one
 * operand and `...` are refused. Throws ShapeError.
 */
export function einsum(equation: string, a: Tensor, b: Tensor): Tensor {
  const match = /^\s*([a-zA-Z]*)\s*,\s*([a-zA-Z]*)\s*(?:->\s*([a-zA-Z]*)\s*)?$/.exec(equation);
  if (match === null) throw new ShapeError(`einsum: must be like "ij,jk->ik", got "${equation}"`);
  const [inA, inB] = [[...(match[1] as string)], [...(match[2] as string)]];
  const once = [...inA, ...inB].filter((l) => inA.includes(l) !== inB.includes(l)).sort();
  const out = match[3] === undefined ? once : [...match[3]];
  for (const labels of [inA, inB, out]) {
    if (new Set(labels).size !== labels.length) {
      throw new ShapeError(`einsum: ${labels.join("")} has a label twice, in "${equation}"`);
    }
  }
  if (inA.length !== a.rank || inB.length !== b.rank) {
    throw shapeError("einsum", `"${equation}" needs operands of rank ${inA.length} and ${inB.length}`, [
      a,
      b,
    ]);
  }
  const unknown = out.find((l) => !inA.includes(l) && !inB.includes(l));
  if (unknown !== undefined) throw new ShapeError(`einsum: no operand has ${unknown}, in "${equation}"`);
  const size = (l: string) => (inA.includes(l) ? a.shape[inA.indexOf(l)] : b.shape[inB.indexOf(l)]) as number;
  const clash = inA.find((l) => inB.includes(l) && a.shape[inA.indexOf(l)] !== b.shape[inB.indexOf(l)]);
  if (clash !== undefined) throw shapeError("einsum", `${clash} has two sizes in "${equation}"`, [a, b]);

  const both = inA.filter((l) => inB.includes(l));
  const batch = both.filter((l) => out.includes(l));
  const inner = both.filter((l) => !out.includes(l));
  const rows = inA.filter((l) => !both.includes(l) && out.includes(l));
  const columns = inB.filter((l) => !both.includes(l) && out.includes(l));
  const total = (labels: readonly string[]) => labels.reduce((n, l) => n * size(l), 1);
  const arranged = (t: Tensor, labels: readonly string[], groups: readonly (readonly string[])[]) => {
    // Labels of this operand alone that the result lacks are summed first.
    const order = groups.flat();
    const lost = labels.flatMap((l, axis) => (order.includes(l) ? [] : [axis]));
    const left = labels.filter((l) => order.includes(l));
    const less = lost.length === 0 ? t : sum(t, { axes: lost });
    return reshape(
      permute(
        less,
        order.map((l) => left.indexOf(l)),
      ),
      groups.map(total),
    );
  };
  const y = matmul(arranged(a, inA, [batch, rows, inner]), arranged(b, inB, [batch, inner, columns]));
  const made = [...batch, ...rows, ...columns];
  return permute(
    reshape(y, made.map(size)),
    out.map((l) => made.indexOf(l)),
  );
}

/** Splits [N, L, heads · E] into [N, heads, L, E]. Throws ShapeError unless the last axis divides. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [N, L, E] = x.shape as readonly [number, number, number];
  if (x.rank !== 3 || E % heads !== 0) {
    throw new ShapeError(`attention: ${heads} heads need [N, L, heads · E], got ${formatShape(x.shape)}`);
  }
  return permute(reshape(x, [N, L, heads, E / heads]), [0, 2, 1, 3]);
}

/** The inverse of `splitHeads`. */
export function joinHeads(x: Tensor): Tensor {
  const [N, heads, L, E] = x.shape as readonly [number, number, number, number];
  return reshape(permute(x, [0, 2, 1, 3]), [N, L, heads * E]);
}
