/**
 * The decoder-only transformer of GPT-2 (Radford et al., 2019): pre-norm blocks of causal self-attention and a perceptron; with
 * other options that of LLaMA (Touvron et al., 2023). Parameters have GPT-2's names; weights of linear layers are [out, in].
 */

import { expectSpec, expectTensor, expectWhole } from "../graph/op.ts";
import { scope, type Tensor } from "../graph/tensor.ts";
import { selfAttention } from "../ops/attention/dot-product-attention.ts";
import { rotaryEmbedding } from "../ops/attention/rotary-embedding.ts";
import { gelu } from "../ops/elementwise/activations.ts";
import { add } from "../ops/elementwise/arithmetic.ts";
import { swiglu } from "../ops/elementwise/swiglu.ts";
import { linear as linearOf } from "../ops/linalg/linear.ts";
import { slice } from "../ops/shape/slice.ts";
import { ShapeError, ValueError } from "../validation/errors.ts";
import { checkOptions, expectGiven, type OptionKinds } from "../validation/options.ts";
import { dropout, Embedding } from "./blocks.ts";
import { normal, zeros } from "./init.ts";
import { Linear } from "./linear.ts";
import type { Module } from "./module.ts";
import { LayerNorm, RmsNorm } from "./normalization.ts";

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
  /** Heads of keys and values, a divisor of `heads`: each serves heads / kvHeads query heads. Default `heads`. */
  readonly kvHeads?: number;
  /** What tells positions apart: a learned vector for each, or the rotation of queries and keys. Default "learned". */
  readonly positions?: "learned" | "rotary";
  /** Pair i of a head turns by position · rotaryBase^(-2 i / E), E = embedSize / heads. Default 10,000. */
  readonly rotaryBase?: number;
  /** Default "layerNorm". */
  readonly norm?: "layerNorm" | "rmsNorm";
  /** Added to the variance before the square root of a norm. Default 1e-5. */
  readonly normEps?: number;
  /**
   * The perceptrons: two layers with GELU between them, in the tanh approximation that GPT-2 uses or exact; or SwiGLU, whose first
   * layer gives the gate and then what it multiplies. Default "geluTanh".
   */
  readonly mlp?: "geluTanh" | "gelu" | "swiglu";
  /** Width of the perceptrons' hidden layer. Default 4 · embedSize; with SwiGLU 8/3 of it, rounded up to a multiple of 8. */
  readonly mlpSize?: number;
  /** Probability of dropout after embeddings, attention and perceptrons. Default 0. */
  readonly dropout?: number;
  /** Whether linear layers and norms have biases; RMS norms never have. Default true. */
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
  kvHeads: "number",
  positions: ["learned", "rotary"],
  rotaryBase: "number",
  norm: ["layerNorm", "rmsNorm"],
  normEps: "number",
  mlp: ["geluTanh", "gelu", "swiglu"],
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

const normLayer = ({ norm, embedSize, normEps: eps, bias }: Complete) =>
  norm === "rmsNorm" ? new RmsNorm(embedSize, { eps }) : new LayerNorm(embedSize, { bias, eps });

/** `c_attn` gives queries, keys and values in one product; `c_proj` goes back to the residual stream. */
export class CausalSelfAttention implements Module {
  readonly kind = "CausalSelfAttention";
  readonly c_attn: Linear;
  readonly c_proj: Linear;
  readonly #options: Complete;

  constructor(options: Complete) {
    const { embedSize, heads, kvHeads, bias } = options;
    this.#options = options;
    this.c_attn = linearLayer(embedSize, (embedSize / heads) * (heads + 2 * kvHeads), bias);
    this.c_proj = linearLayer(embedSize, embedSize, bias, residualStd(options));
  }

  /** [N, T, embedSize] -> the same. */
  forward(x: Tensor): Tensor {
    const { heads, kvHeads, embedSize, positions, rotaryBase: base, contextLength } = this.#options;
    let qkv = scope("c_attn", () => this.c_attn.forward(x));
    if (positions === "rotary") {
      const sizes = { heads: heads + kvHeads, headSize: embedSize / heads, base };
      qkv = rotaryEmbedding(qkv, { ...sizes, maxPositions: contextLength });
    }
    const y = selfAttention(qkv, { heads, kvHeads, causal: true });
    return scope("c_proj", () => this.c_proj.forward(y));
  }
}

/** Two linear layers with GELU or SwiGLU between them. */
export class GptMlp implements Module {
  readonly kind = "GptMlp";
  readonly c_fc: Linear;
  readonly c_proj: Linear;
  readonly #mlp: Complete["mlp"];

  constructor(options: Complete) {
    const { embedSize, mlp, mlpSize, bias } = options;
    this.#mlp = mlp;
    this.c_fc = linearLayer(embedSize, mlp === "swiglu" ? 2 * mlpSize : mlpSize, bias);
    this.c_proj = linearLayer(mlpSize, embedSize, bias, residualStd(options));
  }

  forward(x: Tensor): Tensor {
    const first = scope("c_fc", () => this.c_fc.forward(x));
    const approximate = this.#mlp === "gelu" ? "none" : "tanh";
    const hidden = this.#mlp === "swiglu" ? swiglu(first) : gelu(first, { approximate });
    return scope("c_proj", () => this.c_proj.forward(hidden));
  }
}

/** x + attn(ln_1(x)), then x + mlp(ln_2(x)). */
export class GptBlock implements Module {
  readonly kind = "GptBlock";
  readonly ln_1: LayerNorm | RmsNorm;
  readonly attn: CausalSelfAttention;
  readonly ln_2: LayerNorm | RmsNorm;
  readonly mlp: GptMlp;
  readonly #drop: (x: Tensor) => Tensor;

  constructor(options: Complete) {
    this.ln_1 = normLayer(options);
    this.attn = new CausalSelfAttention(options);
    this.ln_2 = normLayer(options);
    this.mlp = new GptMlp(options);
    this.#drop = dropout(options.dropout);
  }

  forward(x: Tensor): Tensor {
    const attended = scope("attn", () => this.attn.forward(this.ln_1.forward(x)));
    const middle = add(x, this.#drop(attended));
    return add(middle, this.#drop(scope("mlp", () => this.mlp.forward(this.ln_2.forward(middle)))));
  }
}

/** Tokens i32 [N, T], T at most `contextLength`, to logits f32 [N, T, vocabSize]: position t predicts token t + 1. */
export class Gpt implements Module {
  readonly kind = "GPT";
  readonly options: Complete;
  readonly wte: Embedding;
  /** Only with learned positions. */
  readonly wpe?: Embedding;
  readonly h: readonly GptBlock[];
  readonly ln_f: LayerNorm | RmsNorm;
  readonly lm_head?: Linear;
  readonly #drop: (x: Tensor) => Tensor;

  constructor(given: GptOptions) {
    const options = completed(given);
    const { vocabSize, contextLength, layers, embedSize, positions } = options;
    this.options = options;
    this.wte = new Embedding(vocabSize, embedSize, { weightInit: normal(0, 0.02) });
    if (positions === "learned") {
      this.wpe = new Embedding(contextLength, embedSize, { weightInit: normal(0, 0.02) });
    }
    this.h = Array.from({ length: layers }, () => new GptBlock(options));
    this.ln_f = normLayer(options);
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
    let x = this.wte.forward(tokens);
    if (this.wpe !== undefined) {
      const { weight } = this.wpe;
      x = add(x, slice(weight, [0, 0], [T, embedSize]));
    }
    x = this.#drop(x);
    this.h.forEach((block, i) => {
      x = scope(`h.${i}`, () => block.forward(x));
    });
    const y = scope("ln_f", () => this.ln_f.forward(x));
    return scope("lm_head", () => this.lm_head?.forward(y) ?? linearOf(y, this.wte.weight));
  }
}

const WHOLE = ["vocabSize", "contextLength", "layers", "heads", "kvHeads", "embedSize", "mlpSize"] as const;

function completed(options: GptOptions): Complete {
  const given = checkOptions("nn.gpt", options, GPT);
  expectGiven("nn.gpt", given, ["vocabSize", "contextLength", "layers", "heads", "embedSize"]);
  const { heads, embedSize, mlp = "geluTanh" } = given;
  const hidden = mlp === "swiglu" ? 8 * Math.ceil(embedSize / 3) : 4 * embedSize;
  const complete: Complete = {
    ...{ kvHeads: heads, positions: "learned", rotaryBase: 10_000, norm: "layerNorm", normEps: 1e-5 },
    ...{ mlp, mlpSize: hidden, dropout: 0, bias: true, tieWeights: true },
    ...given,
  };
  for (const name of WHOLE) expectWhole("nn.gpt", name, complete[name], 1);
  if (embedSize % heads !== 0) {
    throw new ValueError(`nn.gpt: embedSize ${embedSize} does not divide into ${heads} heads`);
  }
  if (heads % complete.kvHeads !== 0) {
    throw new ValueError(`nn.gpt: kvHeads must be a divisor of heads ${heads}, got ${complete.kvHeads}`);
  }
  if (!(complete.normEps >= 0 && Number.isFinite(complete.normEps))) {
    throw new ValueError(`nn.gpt: normEps must be at least 0, got ${complete.normEps}`);
  }
  if (!(complete.rotaryBase > 0 && Number.isFinite(complete.rotaryBase))) {
    throw new ValueError(`nn.gpt: rotaryBase must be above 0 and finite, got ${complete.rotaryBase}`);
  }
  if (complete.positions === "rotary" && (embedSize / heads) % 2 !== 0) {
    throw new ValueError(`nn.gpt: rotary positions need heads of even width, got ${embedSize / heads}`);
  }
  return complete;
}

/** A GPT-2 of the given sizes, or a variant of it. Throws ValueError and ShapeError on options that are missing, unknown or don't fit together. */
export function gpt(options: GptOptions): Gpt {
  return new Gpt(options);
}
