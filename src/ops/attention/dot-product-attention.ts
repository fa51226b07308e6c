/** Attention in PyTorch's form, of queries, keys and values, and of the three in one tensor. */

import type { AttentionSizes } from "../../geometry/attention.ts";
import { expectSpec, expectWhole, shapeError } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { checkOptions, expectGiven, type OptionKinds } from "../../validation/options.ts";
import { eq, where } from "../elementwise/compare.ts";
import { concat, split } from "../shape/concat.ts";
import { pad } from "../shape/pad.ts";
import { reshape } from "../shape/reshape.ts";
import { slice } from "../shape/slice.ts";
import { permute } from "../shape/transpose.ts";
import { type AttentionAttrs, attentionOp } from "./attention.ts";
import { composedAttention } from "./composed.ts";
import { ATTENTION, type Attention, type AttentionMaskOptions, attentionOf, operandsOf } from "./options.ts";

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
  return reshape(attend(...operands, attentionOf(who, checked, shape)), result);
}

/** q [N, H, L, E], k [N, KV, S, E], v [N, KV, S, EV] -> [N, H, L, EV]. */
function attend(q: Tensor, k: Tensor, v: Tensor, attention: Attention): Tensor {
  if (attention.composed) return composedAttention(q, k, v, attention);
  const [N, H, L] = q.shape as [number, number, number, number];
  const [, KV, S] = k.shape as [number, number, number, number];
  const EV = v.shape[3]!;
  // Zeros change no product. Kernels read four numbers at a time.
  const E = Math.ceil(Math.max(q.shape[3]!, EV) / 4) * 4;
  const padded = [q, k, v].map((t) => (t.shape[3] === E ? t : pad(t, [0, E - t.shape[3]!])));
  const y = fused(padded, { N, H, KV, L, S, E, layout: "heads" }, attention);
  return EV === E ? y : slice(y, [0, 0, 0, 0], [N, H, L, EV]);
}

function fused(operands: readonly Tensor[], sizes: AttentionSizes, attention: Attention): Tensor {
  const { scoreBias, lengths, causal, dropout: p, random, stream, scale } = attention;
  const mask = scoreBias === undefined ? attention.mask : biasOf(scoreBias, attention.mask);
  const attrs: AttentionAttrs = {
    ...sizes,
    scale,
    causal,
    mask: mask === undefined ? "none" : scoreBias === undefined ? "truth" : "added",
    lengths: lengths !== undefined,
    p,
    stream,
  };
  const seeds = p === 0 ? [] : [concat([random!.key, random!.step])];
  const own = operands[0]!;
  const inputs = [...operands, mask ?? own, lengths ?? own, ...seeds];
  const count = p > 0 ? 6 : lengths !== undefined ? 5 : mask !== undefined ? 4 : 3;
  return attentionOp.one(inputs.slice(0, count), attrs);
}

/** One tensor for both. */
function biasOf(scoreBias: Tensor, mask: Tensor | undefined): Tensor {
  if (mask === undefined) return scoreBias;
  const hidden = where(eq(mask, 0), Number.NEGATIVE_INFINITY, scoreBias);
  return mask.dtype === "f32"
    ? where(eq(mask, 1), scoreBias, where(eq(mask, 0), hidden, Number.NaN))
    : hidden;
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
  if (!attention.composed && E % 4 === 0) {
    return fused([qkv, qkv, qkv], { N, H, KV, L: T, S: T, E, layout: "packed" }, attention);
  }
  const parts = split(qkv, [H * E, KV * E, KV * E], 2);
  const [q, k, v] = parts.map((t) => permute(reshape(t, [N, T, t.shape[2]! / E, E]), [0, 2, 1, 3]));
  return reshape(permute(attend(q!, k!, v!, attention), [0, 2, 1, 3]), [N, T, H * E]);
}
