/**
 * Multi-head attention with parameters named and laid out as in PyTorch's MultiheadAttention. The batch comes first, as
 * with `batch_first=True`: [N, L, E].
 */

import { expectSpec, expectWhole } from "../graph/op.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import {
  type AttentionOptions,
  scaledDotProductAttention,
  selfAttention,
} from "../ops/attention/dot-product-attention.ts";
import { linear as linearOf } from "../ops/linalg/linear.ts";
import { split } from "../ops/shape/concat.ts";
import { reshape } from "../ops/shape/reshape.ts";
import { permute } from "../ops/shape/transpose.ts";
import { ShapeError, ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { inEvaluation, isTraining, randomSource } from "./build-mode.ts";
import { constant as constantInit, xavierUniform } from "./init.ts";
import { Linear } from "./linear.ts";
import type { Module } from "./module.ts";

export interface MultiHeadAttentionOptions extends Pick<AttentionOptions, "causal" | "composed"> {
  /** Default true. */
  readonly bias?: boolean;
  /** Dropout of attention weights in training. Default 0. */
  readonly dropout?: number;
  /** Number of heads of keys and values, a divisor of `heads`: grouped-query attention. Default `heads`. */
  readonly kvHeads?: number | undefined;
}

const LAYER = {
  bias: "boolean",
  causal: "any",
  composed: "boolean",
  dropout: "number",
  kvHeads: "number",
} as const satisfies OptionKinds<MultiHeadAttentionOptions>;

/** Which keys the queries see, beside `causal`: see `ops.scaledDotProductAttention`. */
export type AttentionMasks = Pick<AttentionOptions, "mask" | "scoreBias" | "lengths">;

const MASKS = {
  mask: "tensor",
  scoreBias: "tensor",
  lengths: "tensor",
} as const satisfies OptionKinds<AttentionMasks>;

/**
 * `in_proj_weight` [3 E, E] stacks the weights of queries, keys and values (with `kvHeads`, [E + 2 kvHeads D, E], D = E / heads);
 * `out_proj` is a linear layer E -> E.
 */
export class MultiHeadAttention implements Module {
  readonly kind = "MultiHeadAttention";
  readonly in_proj_weight: Tensor;
  readonly in_proj_bias?: Tensor;
  readonly out_proj: Linear;
  /** Features of queries, keys and values. */
  readonly #sizes: readonly [number, number, number];

  constructor(
    readonly embedSize: number,
    readonly heads: number,
    readonly options: MultiHeadAttentionOptions = {},
  ) {
    const who = "nn.multiHeadAttention";
    const { bias = true, kvHeads = heads, dropout: p = 0 } = checkOptions(who, options, LAYER);
    expectWhole(who, "embedSize", embedSize, 1);
    expectWhole(who, "heads", heads, 1);
    expectWhole(who, "kvHeads", kvHeads, 1);
    if (embedSize % heads !== 0)
      throw new ShapeError(`${who}: embedSize ${embedSize} does not divide into ${heads} heads`);
    if (heads % kvHeads !== 0)
      throw new ShapeError(`${who}: ${heads} heads do not divide into groups for ${kvHeads} kvHeads`);
    if (!(p >= 0 && p <= 1)) throw new ValueError(`${who}: dropout must be in [0, 1], got ${p}`);
    const keys = (embedSize / heads) * kvHeads;
    this.#sizes = [embedSize, keys, keys];
    const rows = embedSize + 2 * keys;
    const shape = [rows, embedSize];
    this.in_proj_weight = parameter(shape, xavierUniform()(shape), "in_proj_weight");
    if (bias) this.in_proj_bias = parameter([rows], 0, "in_proj_bias");
    this.out_proj = new Linear(embedSize, embedSize, { bias, biasInit: constantInit(0) });
  }

  /** Self-attention: [N, L, E] -> [N, L, E]. Masks broadcast to [N, heads, L, L]. */
  forward(x: Tensor, masks: AttentionMasks = {}): Tensor {
    const { heads, options } = this;
    const qkv = linearOf(x, this.in_proj_weight, this.in_proj_bias);
    const { kvHeads } = options;
    return this.#projected(selfAttention(qkv, { heads, kvHeads, ...this.#options(masks) }));
  }

  /** Attention of `query` [N, L, E] to `key` and `value` [N, S, E]: [N, L, E]. Masks broadcast to [N, heads, L, S]. */
  attend(query: Tensor, key: Tensor, value: Tensor, masks: AttentionMasks = {}): Tensor {
    const weights = split(this.in_proj_weight, this.#sizes, 0);
    const biases = this.in_proj_bias === undefined ? [] : split(this.in_proj_bias, this.#sizes, 0);
    const D = this.embedSize / this.heads;
    const [q, k, v] = [query, key, value].map((t, i) => {
      const [N, L] = expectSpec("nn.multiHeadAttention", ["query", "key", "value"][i]!, t, 3).shape;
      const rows = linearOf(t, weights[i] as Tensor, biases[i]);
      return permute(reshape(rows, [N!, L!, this.#sizes[i]! / D, D]), [0, 2, 1, 3]);
    });
    const y = scaledDotProductAttention(q!, k!, v!, { ...this.#options(masks), enableGqa: true });
    return this.#projected(reshape(permute(y, [0, 2, 1, 3]), query.shape));
  }

  #projected(y: Tensor): Tensor {
    const { dropout = 0 } = this.options;
    const result = this.out_proj.forward(y);
    return dropout === 0 || isTraining() ? result : inEvaluation("nn.multiHeadAttention", result);
  }

  #options(masks: AttentionMasks): AttentionOptions {
    const { causal, composed, dropout = 0 } = this.options;
    const checked = { ...checkOptions("nn.multiHeadAttention", masks, MASKS), causal, composed };
    if (dropout === 0 || !isTraining()) return checked;
    return { ...checked, dropout, random: randomSource("nn.multiHeadAttention") };
  }
}

/**
 * Attention over `embedSize` features, divided among `heads`. Throws ShapeError unless `heads` divides `embedSize` and `kvHeads`
 * divides `heads`, ValueError on other options.
 */
export function multiHeadAttention(
  embedSize: number,
  heads: number,
  options?: MultiHeadAttentionOptions,
): MultiHeadAttention {
  return new MultiHeadAttention(embedSize, heads, options);
}
