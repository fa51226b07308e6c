/** Attention in PyTorch's form, of queries, keys and values, and of the three in one tensor. */

import { expectSpec, expectWhole, shapeError } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { checkOptions, expectGiven, type OptionKinds } from "../../validation/options.ts";
import { split } from "../shape/concat.ts";
import { reshape } from "../shape/reshape.ts";
import { permute } from "../shape/transpose.ts";
import { composedAttention } from "./composed.ts";
import { ATTENTION, type AttentionMaskOptions, attentionOf, operandsOf } from "./options.ts";

export interface AttentionOptions extends AttentionMaskOptions {
  /** k and v may have fewer heads (axis -3) than q: query head h uses key head h / (H / KV), rounded down. Default false. */
  readonly enableGqa?: boolean | undefined;
}

const SDPA = { ...ATTENTION, enableGqa: "boolean" } as const satisfies OptionKinds<AttentionOptions>;

/**
 * softmax(q kᵀ scale) v: q f32 [..., H, L, E], k [..., H, S, E], v [..., H, S, EV] -> [..., H, L, EV]; leading axes broadcast, and
 * may be missing. torch.nn.functional.scaled_dot_product_attention. A query that sees no key gets 0 and no gradient, as in
 * PyTorch from 2.5 on (before: NaN). Throws ShapeError, ValueError.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const who = "scaledDotProductAttention";
  const checked = checkOptions(who, options, SDPA);
  const { operands, shape, result } = operandsOf(who, [q, k, v], checked.enableGqa ?? false);
  return reshape(composedAttention(...operands, attentionOf(who, checked, shape)), result);
}

export interface SelfAttentionOptions extends AttentionMaskOptions {
  /** Number of query heads. */
  readonly heads: number;
  /** Number of heads of keys and values, a divisor of `heads`. Default `heads`. */
  readonly kvHeads?: number | undefined;
}

const SELF = {
  ...ATTENTION,
  heads: "number",
  kvHeads: "number",
} as const satisfies OptionKinds<SelfAttentionOptions>;

/**
 * Attention of a sequence to itself, of what one linear layer gives: qkv f32 [N, T, (heads + 2 kvHeads) E], in each row the queries
 * of all heads, then the keys, then the values -> [N, T, heads · E]. The same as `scaledDotProductAttention` of its parts, which
 * are read in place. Throws ShapeError, ValueError.
 */
export function selfAttention(qkv: Tensor, options: SelfAttentionOptions): Tensor {
  const who = "selfAttention";
  const checked = checkOptions(who, options, SELF);
  expectGiven(who, checked, ["heads"]);
  const H = expectWhole(who, "heads", checked.heads, 1);
  const KV = expectWhole(who, "kvHeads", checked.kvHeads ?? H, 1);
  const [N, T, columns] = expectSpec(who, "qkv", qkv, 3).shape as [number, number, number];
  const E = columns / (H + 2 * KV);
  if (H % KV !== 0 || !Number.isInteger(E)) {
    throw shapeError(who, `qkv must be [N, T, (${H} + 2 · ${KV}) E], with kvHeads a divisor of heads`, [qkv]);
  }
  const attention = attentionOf(who, checked, { lead: [N], heads: H, L: T, S: T, E });
  const parts = split(qkv, [H * E, KV * E, KV * E], 2);
  const [q, k, v] = parts.map((t) => permute(reshape(t, [N, T, t.shape[2]! / E, E]), [0, 2, 1, 3]));
  return reshape(permute(composedAttention(q!, k!, v!, attention), [0, 2, 1, 3]), [N, T, H * E]);
}
