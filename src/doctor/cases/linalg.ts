/** Cases of the doctor for matrix products and linear layers. */

import { rotaryEmbedding } from "../../ops/attention/rotary-embedding.ts";
import { gelu, silu } from "../../ops/elementwise/activations.ts";
import { add } from "../../ops/elementwise/arithmetic.ts";
import { relu, sigmoid, tanh } from "../../ops/elementwise/relu-sigmoid-tanh.ts";
import { linear } from "../../ops/linalg/linear.ts";
import { matmul } from "../../ops/linalg/matmul.ts";
import { type Check, each } from "../check.ts";

// Sums of up to 130 products of numbers up to 1.
const atol = 1e-5;

/** Kernels are forced for relu only, because the others differ in one expression, and not where compiling is slow. */
const twoLayers = (op: string, activation: typeof relu): Check => ({
  op,
  fused: true,
  ...(activation === relu ? { forcedOnSoftware: 0 } : { force: false }),
  // WGSL lets tanh be off by 1e-5.
  atol: op.endsWith("tanh") ? 1e-4 : atol,
  cases: each(["9x33 17x33 17 3x17"], (x, w, b, w2) => activation(linear(activation(linear(x, w, b)), w2))),
});

export const linalgChecks: readonly Check[] = [
  {
    op: "rotaryEmbedding",
    cases: each(["2x9x13"], (x) => rotaryEmbedding(x, { heads: 3, headSize: 4 })),
  },
  {
    op: "matmul",
    atol,
    forcedOnSoftware: 1,
    // Few, because the kernels of matrix products take longest to compile, each shape by itself.
    cases: [
      { leaves: "33x17 17x65", build: (a, b) => matmul(a, b) },
      {
        name: "[17,33] transposed by [17,9]",
        leaves: "17x33 17x9",
        build: (a, b) => matmul(a, b, { transposeA: true }),
      },
      {
        name: "[2,3,8,4] by [7,4] transposed",
        leaves: "2x3x8x4 7x4",
        build: (a, b) => matmul(a, b, { transposeB: true }),
      },
    ],
  },
  {
    op: "linear",
    atol,
    forcedOnSoftware: 1,
    cases: [
      ...each(["9x33 17x33 17", "64x84 10x84 10", "3x130 65x130 65"], (x, w, b) => linear(x, w, b)),
      { name: "without bias", leaves: "9x17 5x17", build: (x, w) => linear(x, w) },
    ],
  },
  twoLayers("linear + relu", relu),
  twoLayers("linear + sigmoid", sigmoid),
  twoLayers("linear + tanh", tanh),
  twoLayers("linear + gelu", gelu),
  twoLayers("linear + gelu by tanh", (x) => gelu(x, { approximate: "tanh" })),
  twoLayers("linear + silu", silu),
  {
    op: "linear + residual",
    fused: true,
    force: false,
    atol,
    cases: each(["9x33 17x33 17 9x17"], (x, w, b, r) => add(r, linear(x, w, b))),
  },
];
