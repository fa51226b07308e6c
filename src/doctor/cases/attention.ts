/** Cases of the doctor for attention: causal, masks, lengths, grouped heads, dropout, few queries. */

import { constant } from "../../graph/tensor.ts";
import { attentionBackwardOp, attentionOp } from "../../ops/attention/attention.ts";
import {
  type AttentionOptions,
  scaledDotProductAttention,
  selfAttention,
} from "../../ops/attention/dot-product-attention.ts";
import { RandomSource } from "../../ops/random/random.ts";
import type { Case, Check, Leaf } from "../check.ts";

const [N, HEADS, KV_HEADS, L, S] = [2, 2, 1, 17, 21];
const mask: Leaf = {
  shape: [L, S],
  data: Array.from({ length: L * S }, (_, i) => Number(i % 3 !== 1)),
  gradient: false,
};
const lengths: Leaf = { shape: [N], dtype: "i32", data: [S, 5] };

const separate = (
  name: string,
  rows: number,
  features: number,
  more: readonly Leaf[],
  options: (...given: NonNullable<AttentionOptions["mask"]>[]) => AttentionOptions,
): Case => ({
  name,
  leaves: [
    { shape: [N, HEADS, rows, features] },
    { shape: [N, KV_HEADS, S, features] },
    { shape: [N, KV_HEADS, S, features] },
    ...more,
  ],
  build: (q, k, v, ...given) => ({
    outputs: [scaledDotProductAttention(q, k, v, { enableGqa: true, ...options(...given) })],
  }),
});

export const attentionChecks: readonly Check[] = [
  {
    op: "attention",
    atol: 2e-5,
    rtol: 1e-4,
    force: [attentionOp, attentionBackwardOp],
    forcedOnSoftware: 1,
    cases: [
      {
        name: `${2 * L} causal tokens, 2 heads of 32`,
        leaves: [{ shape: [1, 2 * L, 3 * 2 * 32] }],
        build: (qkv) => ({ outputs: [selfAttention(qkv, { heads: 2, causal: true })] }),
      },
      separate("masked, with dropout", L, 12, [mask], (masked) => ({
        mask: masked,
        dropout: 0.3,
        random: new RandomSource(constant(Uint32Array.of(3)), constant(Uint32Array.of(7, 1))),
      })),
      separate("lengths", L, 8, [lengths], (valid) => ({ lengths: valid })),
      separate("one query", 1, 16, [lengths], (valid) => ({ lengths: valid, causal: "lowerRight" })),
    ],
  },
];
