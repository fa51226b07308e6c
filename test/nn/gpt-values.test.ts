/** nn.gpt in its variants, and rotary embeddings, against PyTorch in float64: test/fixtures/torch/gpt.py. */
import * as nn from "../../src/nn/index.ts";
import { type RotaryOptions, rotaryEmbedding } from "../../src/ops/attention/rotary-embedding.ts";
import { checkTorch } from "../support/golden.ts";

interface Fields {
  [name: string]: unknown;
}

// Gradients of two layers in float32: errors of exp, erf and 1 / sqrt in rows of 4 values add up to 2e-6 on SwiftShader.
const close = { atol: 5e-6, rtol: 2e-5 };

checkTorch(
  "gpt",
  {
    rotaryEmbedding: ({ x, positions }, { attrs }) =>
      rotaryEmbedding(x!, { ...(attrs as unknown as RotaryOptions), positions }),
    gpt({ tokens, ...weights }, { attrs }) {
      const model = nn.gpt(attrs as unknown as nn.GptOptions);
      for (const name of nn.namedParameters(model).keys()) {
        const path = name.split(".");
        const last = path.pop() as string;
        const layer = path.reduce((at, key) => at[key] as Fields, model as unknown as Fields);
        layer[last] = weights[name];
      }
      return model.forward(tokens!);
    },
  },
  close,
);
