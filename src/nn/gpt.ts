/**
 * The decoder-only transformer of GPT-2 (Radford et al., 2019): pre-norm blocks of causal self-attention and a perceptron.
 * Parameters have GPT-2's names; weights of linear layers are [out, in].
 */

import { expectSpec, expectTensor, expectWhole } from "../graph/op.ts";
import { scope, type Tensor } from "../graph/tensor.ts";
import { selfAttention } from "../ops/attention/dot-product-attention.ts";
import { gelu } from "../ops/elementwise/activations.ts";
import { add } from "../ops/elementwise/arithmetic.ts";
import { linear as linearOf } from "../ops/linalg/linear.ts";
import { slice } from "../ops/shape/slice.ts";
import { ShapeError, ValueError } from "../validation/errors.ts";
import { checkOptions, expectGiven, type OptionKinds } from "../validation/options.ts";
import { dropout, Embedding } from "./blocks.ts";
import { normal, zeros } from "./init.ts";
import { Linear } from "./linear.ts";
import type { Module } from "./module.ts";
import { LayerNorm } from "./normalization.ts";

export interface GptOptions {
  /** Number of different tokens. */
  readonly vocabSize: number;
  /** Longest sequence, in tokens. */
  readonly contextLength: number;
  /** Number of blocks. */
  readonly layers: number;
  /** Attention heads of a block; must divide `embedSize`. */
  readonly heads: number;
  /** Width of the residual stream. */
  readonly embedSize: number;
  /** Width of the perceptrons' hidden layer. Default 4 · embedSize. */
  readonly mlpSize?: number;
  /** Probability of dropout after embeddings, attention and perceptrons. Default 0. */
  readonly dropout?: number;
  /** Whether linear layers and norms have biases. Default true. */
  readonly bias?: boolean;
  /** Whether the output layer uses the token embedding's weight. Default true. */
  readonly tieWeights?: boolean;
}

const GPT = {
  vocabSize: "number",
  contextLength: "number",
  layers: "number",
  heads: "number",
  embedSize: "number",
  mlpSize: "number",
  dropout: "number",
  bias: "boolean",
  tieWeights: "boolean",
} as const satisfies OptionKinds<GptOptions>;

type Complete = Required<GptOptions>;

/** Weights from N(0, std²), biases 0. */
const linearLayer = (inFeatures: number, outFeatures: number, bias: boolean, std = 0.02) =>
  new Linear(inFeatures, outFeatures, { bias, weightInit: normal(0, std), biasInit: zeros });

/** Projections to the residual stream start smaller, so that its variance does not grow with the number of layers. */
const residualStd = ({ layers }: Complete) => 0.02 / Math.sqrt(2 * layers);

/** `c_attn` gives queries, keys and values in one product; `c_proj` goes back to the residual stream. */
export class CausalSelfAttention implements Module {
  readonly kind = "CausalSelfAttention";
  readonly c_attn: Linear;
  readonly c_proj: Linear;
  readonly heads: number;

  constructor(options: Complete) {
    const { embedSize, heads, bias } = options;
    this.heads = heads;
    this.c_attn = linearLayer(embedSize, 3 * embedSize, bias);
    this.c_proj = linearLayer(embedSize, embedSize, bias, residualStd(options));
  }

  /** [N, T, embedSize] -> the same. */
  forward(x: Tensor): Tensor {
    const qkv = scope("c_attn", () => this.c_attn.forward(x));
    const y = selfAttention(qkv, { heads: this.heads, causal: true });
    return scope("c_proj", () => this.c_proj.forward(y));
  }
}

/** Two linear layers with GELU (tanh approximation) between them. */
export class GptMlp implements Module {
  readonly kind = "GptMlp";
  readonly c_fc: Linear;
  readonly c_proj: Linear;

  constructor(options: Complete) {
    const { embedSize, mlpSize, bias } = options;
    this.c_fc = linearLayer(embedSize, mlpSize, bias);
    this.c_proj = linearLayer(mlpSize, embedSize, bias, residualStd(options));
  }

  forward(x: Tensor): Tensor {
    const hidden = gelu(
      scope("c_fc", () => this.c_fc.forward(x)),
      { approximate: "tanh" },
    );
    return scope("c_proj", () => this.c_proj.forward(hidden));
  }
}

/** x + attn(ln_1(x)), then x + mlp(ln_2(x)). */
export class GptBlock implements Module {
  readonly kind = "GptBlock";
  readonly ln_1: LayerNorm;
  readonly attn: CausalSelfAttention;
  readonly ln_2: LayerNorm;
  readonly mlp: GptMlp;
  readonly #drop: (x: Tensor) => Tensor;

  constructor(options: Complete) {
    const { embedSize, bias } = options;
    this.ln_1 = new LayerNorm(embedSize, { bias });
    this.attn = new CausalSelfAttention(options);
    this.ln_2 = new LayerNorm(embedSize, { bias });
    this.mlp = new GptMlp(options);
    this.#drop = dropout(options.dropout);
  }

  forward(x: Tensor): Tensor {
    const attended = this.attn.forward(this.ln_1.forward(x));
    const middle = add(x, this.#drop(scope("attn", () => attended)));
    return add(middle, this.#drop(scope("mlp", () => this.mlp.forward(this.ln_2.forward(middle)))));
  }
}

/** Tokens i32 [N, T], T at most `contextLength`, to logits f32 [N, T, vocabSize]: position t predicts token t + 1. */
export class Gpt implements Module {
  readonly kind = "GPT";
  readonly options: Complete;
  readonly wte: Embedding;
  readonly wpe: Embedding;
  readonly h: readonly GptBlock[];
  readonly ln_f: LayerNorm;
  readonly lm_head?: Linear;
  readonly #drop: (x: Tensor) => Tensor;

  constructor(given: GptOptions) {
    const options = completed(given);
    const { vocabSize, contextLength, layers, embedSize, bias } = options;
    this.options = options;
    this.wte = new Embedding(vocabSize, embedSize, { weightInit: normal(0, 0.02) });
    this.wpe = new Embedding(contextLength, embedSize, { weightInit: normal(0, 0.02) });
    this.h = Array.from({ length: layers }, () => new GptBlock(options));
    this.ln_f = new LayerNorm(embedSize, { bias });
    if (!options.tieWeights) this.lm_head = linearLayer(embedSize, vocabSize, false);
    this.#drop = dropout(options.dropout);
  }

  forward(tokens: Tensor): Tensor {
    const { contextLength, embedSize } = this.options;
    expectTensor("nn.gpt", "tokens", tokens);
    const T = expectSpec("nn.gpt", "tokens", tokens, 2, "i32").shape[1]!;
    if (T > contextLength) {
      throw new ShapeError(`nn.gpt: ${T} tokens are more than the context length ${contextLength}`);
    }
    const positions = slice(this.wpe.weight, [0, 0], [T, embedSize]);
    let x = this.#drop(add(this.wte.forward(tokens), positions));
    this.h.forEach((block, i) => {
      x = scope(`h.${i}`, () => block.forward(x));
    });
    const y = scope("ln_f", () => this.ln_f.forward(x));
    return scope("lm_head", () => this.lm_head?.forward(y) ?? linearOf(y, this.wte.weight));
  }
}

function completed(options: GptOptions): Complete {
  const given = checkOptions("nn.gpt", options, GPT);
  expectGiven("nn.gpt", given, ["vocabSize", "contextLength", "layers", "heads", "embedSize"]);
  const { mlpSize = 4 * given.embedSize, dropout = 0, bias = true, tieWeights = true } = given;
  const complete = { ...given, mlpSize, dropout, bias, tieWeights };
  for (const name of ["vocabSize", "contextLength", "layers", "heads", "embedSize", "mlpSize"] as const) {
    expectWhole("nn.gpt", name, complete[name], 1);
  }
  if (given.embedSize % given.heads !== 0) {
    throw new ValueError(`nn.gpt: embedSize ${given.embedSize} does not divide into ${given.heads} heads`);
  }
  return complete;
}

/** A GPT-2 of the given sizes. Throws ValueError and ShapeError on options that are missing, unknown or don't fit together. */
export function gpt(options: GptOptions): Gpt {
  return new Gpt(options);
}
