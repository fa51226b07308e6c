/** nn.gpt in its variants, and rotary embeddings, against PyTorch in float64: test/fixtures/torch/gpt.py. */
import * as nn from "../../src/nn/index.ts";
import { type RotaryOptions, rotaryEmbedding } from "../../src/ops/attention/rotary-embedding.ts";
import { checkTorch } from "../support/golden.ts";

interface Fields {
  [name: string]: unknown;
}

checkTorch("gpt", {
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
});
