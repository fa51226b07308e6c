/**
 * Attention made of matmul, softmax and element-wise ops. It keeps all weights [N, H, L, S], and its gradient has gradients of
 * every order, those of an added bias included.
 */

import { constant, type Tensor } from "../../graph/tensor.ts";
import { add, mul } from "../elementwise/arithmetic.ts";
import { cast } from "../elementwise/cast.ts";
import { eq, le, lt, ne, where } from "../elementwise/compare.ts";
import { ones } from "../elementwise/fill.ts";
import { logicalAnd, logicalOr } from "../elementwise/logical.ts";
import { matmul } from "../linalg/matmul.ts";
import { dropout } from "../random/random.ts";
import { max } from "../reduce/reduce.ts";
import { softmax } from "../reduce/softmax.ts";
import { reshape } from "../shape/reshape.ts";
import { slice } from "../shape/slice.ts";
import type { Attention } from "./options.ts";

/** q [N, H, L, E], k [N, KV, S, E], v [N, KV, S, EV] -> [N, H, L, EV]. */
export function composedAttention(q: Tensor, k: Tensor, v: Tensor, a: Attention): Tensor {
  const [N, H, L] = q.shape as [number, number, number, number];
  const [, KV, S] = k.shape as [number, number, number, number];
  // Query heads that share keys are an axis of their own, along which the keys broadcast.
  const grouped = (t: Tensor, heads: number) => reshape(t, [N, KV, heads / KV, ...t.shape.slice(2)]);
  const product = matmul(grouped(q, H), grouped(k, KV), { transposeB: true });
  let scores = mul(reshape(product, [N, H, L, S]), a.scale);
  if (a.scoreBias !== undefined) scores = add(scores, a.scoreBias);
  const isTruth = a.mask?.dtype === "f32" ? logicalOr(eq(a.mask, 0), eq(a.mask, 1)) : undefined;
  if (isTruth !== undefined) scores = where(isTruth, scores, Number.NaN);
  const seen = visible(a, L, S);
  const hidden = Number.NEGATIVE_INFINITY;
  if (seen !== undefined) scores = where(seen, scores, hidden);
  // Every query of a causal attention sees key 0; with other masks, some may see none.
  const dead =
    a.causal === "upperLeft" && seen === undefined
      ? undefined
      : eq(max(scores, { axes: 3, keepDims: true }), hidden);
  let weights = softmax(dead === undefined ? scores : where(dead, 0, scores));
  if (dead !== undefined) weights = where(dead, 0, weights);
  return reshape(matmul(grouped(dropped(weights, a), H), grouped(v, KV)), [N, H, L, v.shape[3]!]);
}

/** 1 where a query sees a key, of a shape that broadcasts to [N, H, L, S]; undefined where all see all. */
function visible({ mask, lengths, causal }: Attention, L: number, S: number): Tensor | undefined {
  const N = lengths?.size ?? 1;
  const length = lengths === undefined ? S : reshape(cast(lengths, "f32"), [N, 1, 1, 1]);
  const parts: Tensor[] = mask === undefined ? [] : [ne(mask, 0)];
  const table = (shape: readonly number[], value: (e: number) => number) =>
    constant(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, e) => value(e)),
      shape,
    );
  if (lengths !== undefined)
    parts.push(
      lt(
        table([S], (j) => j),
        length,
      ),
    );
  if (causal === "upperLeft") parts.push(table([L, S], (e) => Number(e % S <= Math.floor(e / S))));
  if (causal === "lowerRight") {
    // j <= i + length - L
    parts.push(
      le(
        table([L, S], (e) => (e % S) - Math.floor(e / S) + L),
        length,
      ),
    );
  }
  return parts.length === 0 ? undefined : parts.reduce((a, b) => logicalAnd(a, b));
}

/** Draws for pairs of keys, as the fused kernels do: an odd row has one word more than keys. */
function dropped(weights: Tensor, { dropout: p, random, stream }: Attention): Tensor {
  if (p === 0) return weights;
  const [N, H, L, S] = weights.shape as [number, number, number, number];
  if (S % 2 === 0) return dropout(weights, p, random!, { stream: stream! });
  const kept = dropout(ones([N, H, L, S + 1]), p, random!, { stream: stream! });
  return mul(weights, slice(kept, [0, 0, 0, 0], [N, H, L, S]));
}
