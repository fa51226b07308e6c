/** Options of attention: which keys a query sees, dropout of weights, scale. Checked once, for all forms of it. */

import { broadcastShape } from "../../geometry/broadcast.ts";
import { expectTensor, shapeError } from "../../graph/op.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { checkChoice, type OptionKinds, shown } from "../../validation/options.ts";
import { checkSource, type RandomSource } from "../random/random.ts";
import { expand } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";

export interface AttentionMaskOptions {
  /**
   * Truth values that broadcast to [..., H, L, S]: a query sees a key where they are 1, as comparisons give it, or an integer other
   * than 0. PyTorch's boolean `attn_mask`. Numbers to add to scores are a `scoreBias`: an f32 mask with other values than 0 and 1 is
   * refused where they are known, and gives NaN where they are computed.
   */
  readonly mask?: Tensor | undefined;
  /**
   * f32 that broadcasts to [..., H, L, S], added to the scaled scores: PyTorch's float `attn_mask`. -Infinity hides a key. Its
   * gradient needs `composed: true`.
   */
  readonly scoreBias?: Tensor | undefined;
  /**
   * i32 [N], N the product of the axes in front of the heads: the number of valid keys of each sample, read at every run. What
   * lies behind them does not matter, even if it is NaN.
   */
  readonly lengths?: Tensor | undefined;
  /**
   * `true` or `"upperLeft"`: query i sees keys j <= i, PyTorch's is_causal. `"lowerRight"`: the last query sees the last key, so
   * query i sees j <= i + S - L; with `lengths`, the last valid one: j <= i + length - L, which continues a sequence whose keys
   * are in a buffer of S. `true` is refused together with `lengths` where L and S differ. Default false.
   */
  readonly causal?: boolean | "upperLeft" | "lowerRight" | undefined;
  /** Probability with which a weight is zeroed; the others are scaled by 1 / (1 - p). Needs `random`. Default 0. */
  readonly dropout?: number | undefined;
  /** What dropout draws from. */
  readonly random?: RandomSource | undefined;
  /** Number of this use; default the source's next. */
  readonly stream?: number | undefined;
  /** What scores are multiplied by. Default 1 / √E. */
  readonly scale?: number | undefined;
  /** Builds it of matmul and softmax: slower, keeps all weights, but its gradient has gradients. Default false. */
  readonly composed?: boolean | undefined;
}

export const ATTENTION = {
  mask: "tensor",
  scoreBias: "tensor",
  lengths: "tensor",
  causal: "any",
  dropout: "number",
  random: "any",
  stream: "number",
  scale: "number",
  composed: "boolean",
} as const satisfies OptionKinds<AttentionMaskOptions>;

/** What fused and composed attention are given; mask and scoreBias of rank 4, each axis 1 or that of [N, H, L, S]. */
export interface Attention {
  readonly mask: Tensor | undefined;
  readonly scoreBias: Tensor | undefined;
  readonly lengths: Tensor | undefined;
  readonly causal: "none" | "upperLeft" | "lowerRight";
  readonly dropout: number;
  readonly random: RandomSource | undefined;
  readonly stream: number;
  readonly scale: number;
  readonly composed: boolean;
}

export interface AttentionShape {
  /** Axes in front of the heads. */
  readonly lead: Shape;
  /** Query heads; undefined where scores have no axis of heads. */
  readonly heads: number | undefined;
  readonly L: number;
  readonly S: number;
  readonly E: number;
}

/** Throws ShapeError and ValueError on options that `checkOptions` lets through and that do not fit. */
export function attentionOf(who: string, options: AttentionMaskOptions, shape: AttentionShape): Attention {
  const { lead, L, S, E } = shape;
  const { mask, scoreBias, lengths, dropout: p = 0, random, composed = false } = options;
  const { scale = 1 / Math.sqrt(E) } = options;
  if (!Number.isFinite(scale)) throw new ValueError(`${who}: scale must be finite, got ${scale}`);
  if (!(p >= 0 && p <= 1)) throw new ValueError(`${who}: dropout must be in [0, 1], got ${p}`);
  if (p > 0) {
    if (random === undefined)
      throw new ValueError(`${who}: dropout ${p} needs random, a RandomSource to draw from`);
    checkSource(who, random);
  }
  const N = sizeOf(lead);
  if (lengths !== undefined && (lengths.dtype !== "i32" || !sameShape(lengths.shape, [N])))
    throw shapeError(who, `lengths must be i32[${N}], the number of keys of each sample`, [lengths]);
  if (scoreBias !== undefined && scoreBias.dtype !== "f32")
    throw shapeError(who, "scoreBias must be f32; truth values are a mask", [scoreBias]);
  return {
    mask: mask && ofRank4(who, "mask", checkTruth(who, mask), shape),
    scoreBias: scoreBias && ofRank4(who, "scoreBias", scoreBias, shape),
    lengths,
    causal: causalOf(who, options.causal ?? false, lengths !== undefined && L !== S),
    dropout: p,
    random,
    stream: p > 0 ? (options.stream ?? random!.stream()) : 0,
    scale,
    composed,
  };
}

function causalOf(who: string, causal: unknown, ambiguous: boolean): Attention["causal"] {
  if (causal === false) return "none";
  if (causal !== true) {
    if (typeof causal !== "string")
      throw new ValueError(
        `${who}: causal must be true, false, "upperLeft" or "lowerRight", got ${shown(causal)}`,
      );
    checkChoice(who, "causal", causal, ["upperLeft", "lowerRight"]);
    return causal as Attention["causal"];
  }
  if (ambiguous) {
    throw new ValueError(
      `${who}: causal: true with lengths and fewer queries than keys may mean two things; write "lowerRight" if the last query ` +
        'belongs to the last valid key, as with a cache of keys, or "upperLeft" if the first belongs to key 0',
    );
  }
  return "upperLeft";
}

/** Throws ValueError on a constant f32 mask that holds anything but 0 and 1, such as 0 and -Infinity. */
function checkTruth(who: string, mask: Tensor): Tensor {
  const leaf = mask.leaf;
  if (mask.dtype !== "f32" || leaf?.kind !== "constant") return mask;
  const wrong = leaf.data.find((value) => value !== 0 && value !== 1);
  if (wrong === undefined) return mask;
  throw new ValueError(
    `${who}: mask must hold 1 where a query sees a key and 0 elsewhere, got ${wrong}; pass numbers that are added to scores as scoreBias`,
  );
}

/** `t` as [N or 1, H or 1, L or 1, S or 1]. */
function ofRank4(who: string, name: string, t: Tensor, { lead, heads, L, S }: AttentionShape): Tensor {
  const own = heads === undefined ? [] : [heads];
  const full = [...lead, ...own, L, S];
  const refuse = () =>
    new ShapeError(`${who}: ${name} must broadcast to ${formatShape(full)}, got ${formatShape(t.shape)}`);
  if (t.rank > full.length) throw refuse();
  const padded = [...full.map(() => 1).slice(t.rank), ...t.shape];
  if (padded.some((d, axis) => d !== 1 && d !== full[axis])) throw refuse();
  const [front, back] = [padded.slice(0, lead.length), padded.slice(lead.length)];
  // Several axes of samples become one, which is stretched by all of them or by none.
  const stretched = front.every((d) => d === 1) || sameShape(front, lead) ? t : expand(t, [...lead, ...back]);
  const samples = front.every((d) => d === 1) ? 1 : sizeOf(lead);
  return reshape(stretched, [samples, ...(heads === undefined ? [1] : []), ...back]);
}

/** q, k, v as [N, H, L, E], [N, KV, S, E], [N, KV, S, EV] and the shape of the result; see `scaledDotProductAttention`. */
export function operandsOf(who: string, given: readonly [Tensor, Tensor, Tensor], enableGqa: boolean) {
  for (const [i, t] of given.entries()) expectTensor(who, "qkv"[i]!, t);
  const [q, k, v] = given;
  if (given.some((t) => t.rank < 2 || t.dtype !== "f32"))
    throw shapeError(who, "q, k and v must be f32 matrices or batches of them", given);
  const least = enableGqa ? 3 : 2;
  if (given.some((t) => t.rank < least))
    throw shapeError(who, "enableGqa needs an axis of heads, [..., H, L, E]", given);
  const [E, S] = [q.shape.at(-1)!, k.shape.at(-2)!];
  if (k.shape.at(-1) !== E) throw shapeError(who, "q and k must have the same number of features", given);
  if (v.shape.at(-2) !== S) throw shapeError(who, "k and v must have the same number of keys", given);
  const inFront = (t: Tensor, own: number) => ({ shape: t.shape.slice(0, t.rank - own), dtype: t.dtype });
  // Without grouping all axes in front broadcast; those of rank 3 are [N, L, E].
  const hasHeads = enableGqa || Math.max(...given.map((t) => t.rank)) > 3;
  const lead = broadcastShape(
    who,
    given.map((t) => inFront(t, enableGqa ? 3 : 2)),
  );
  const heads = hasHeads && !enableGqa ? lead.pop()! : 1;
  const headsOf = (t: Tensor) => (enableGqa ? t.shape.at(-3)! : heads);
  const [H, KV] = [headsOf(q), headsOf(k)];
  if (headsOf(v) !== KV || H % KV !== 0)
    throw shapeError(who, "enableGqa: k and v must have the same heads, a divisor of those of q", given);
  const N = sizeOf(lead);
  const operands = given.map((t) => {
    const own = hasHeads ? [headsOf(t)] : [];
    const full = [...lead, ...own, ...t.shape.slice(-2)];
    const stretched = sameShape(full, t.shape) ? t : expand(t, full);
    return reshape(stretched, [N, headsOf(t), ...t.shape.slice(-2)]);
  }) as [Tensor, Tensor, Tensor];
  const L = q.shape.at(-2)!;
  return {
    operands,
    shape: { lead, heads: hasHeads ? H : undefined, L, S, E },
    result: [...lead, ...(hasHeads ? [H] : []), L, v.shape.at(-1)!],
  };
}
