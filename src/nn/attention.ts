/**
 * Multi-head attention with parameters named and laid out as in PyTorch's MultiheadAttention. The batch comes first, as
 * with `batch_first=True`: [N, L, E].
 */

import { expectWhole } from "../graph/op.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import {
  type AttentionOptions,
  joinHeads,
  scaledDotProductAttention,
  splitHeads,
} from "../ops/attention/attention.ts";
import { linear as linearOf } from "../ops/linalg/linear.ts";
import { split } from "../ops/shape/concat.ts";
import { ShapeError } from "../validation/errors.ts";
import { checkOptions } from "../validation/options.ts";
import { constant as constantInit, xavierUniform } from "./init.ts";
import { Linear } from "./linear.ts";
import type { Module } from "./module.ts";

export interface MultiHeadAttentionOptions extends Pick<AttentionOptions, "causal"> {
  /** Default true. */
  readonly bias?: boolean;
}

/** `in_proj_weight` [3 E, E] stacks the weights of queries, keys and values; `out_proj` is a linear layer E -> E. */
export class MultiHeadAttention implements Module {
  readonly kind = "MultiHeadAttention";
  readonly in_proj_weight: Tensor;
  readonly in_proj_bias?: Tensor;
  readonly out_proj: Linear;

  constructor(
    readonly embedSize: number,
    readonly heads: number,
    readonly options: MultiHeadAttentionOptions = {},
  ) {
    checkOptions("nn.multiHeadAttention", options, { bias: "boolean", causal: "boolean" });
    expectWhole("nn.multiHeadAttention", "embedSize", embedSize, 1);
    expectWhole("nn.multiHeadAttention", "heads", heads, 1);
    if (embedSize % heads !== 0) {
      throw new ShapeError(
        `nn.multiHeadAttention: embedSize ${embedSize} does not divide into ${heads} heads`,
      );
    }
    const shape = [3 * embedSize, embedSize];
    const { bias = true } = options;
    this.in_proj_weight = parameter(shape, xavierUniform()(shape), "in_proj_weight");
    if (bias) this.in_proj_bias = parameter([3 * embedSize], 0, "in_proj_bias");
    this.out_proj = new Linear(embedSize, embedSize, { bias, biasInit: constantInit(0) });
  }

  /** Self-attention: [N, L, E] -> [N, L, E]. */
  forward(x: Tensor): Tensor {
    const [q, k, v] = split(linearOf(x, this.in_proj_weight, this.in_proj_bias), this.embedSize, 2);
    return this.#attend(q as Tensor, k as Tensor, v as Tensor);
  }

  /** Attention of `query` [N, L, E] to `key` and `value` [N, S, E]: [N, L, E]. */
  attend(query: Tensor, key: Tensor, value: Tensor): Tensor {
    const weights = split(this.in_proj_weight, this.embedSize, 0);
    const biases = this.in_proj_bias === undefined ? [] : split(this.in_proj_bias, this.embedSize, 0);
    const [q, k, v] = [query, key, value].map((t, i) => linearOf(t, weights[i] as Tensor, biases[i]));
    return this.#attend(q as Tensor, k as Tensor, v as Tensor);
  }

  #attend(q: Tensor, k: Tensor, v: Tensor): Tensor {
    const [a, b, c] = [q, k, v].map((t) => splitHeads(t, this.heads)) as [Tensor, Tensor, Tensor];
    const { causal = false } = this.options;
    return this.out_proj.forward(joinHeads(scaledDotProductAttention(a, b, c, { causal })));
  }
}

/** Attention over `embedSize` features, divided among `heads`. Throws ShapeError unless `heads` divides `embedSize`. */
export function multiHeadAttention(
  embedSize: number,
  heads: number,
  options?: MultiHeadAttentionOptions,
): MultiHeadAttention {
  return new MultiHeadAttention(embedSize, heads, options);
}
