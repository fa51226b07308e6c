/** nn.gpt: names and shapes of GPT-2, start values, and training on a repeated sequence. */
import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { input } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { adamw } from "../../src/optim/index.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { gpuBackend } from "../support/backend.ts";

const tiny = { vocabSize: 11, contextLength: 8, layers: 2, heads: 2, embedSize: 12 };

describe("nn.gpt", () => {
  it("has the parameters of GPT-2", () => {
    const shapes = [...nn.namedParameters(nn.gpt(tiny))].map(([name, t]) => `${name} ${t.shape}`);
    expect(shapes.slice(0, 14)).toEqual([
      "wte.weight 11,12",
      "wpe.weight 8,12",
      "h.0.ln_1.weight 12",
      "h.0.ln_1.bias 12",
      "h.0.attn.c_attn.weight 36,12",
      "h.0.attn.c_attn.bias 36",
      "h.0.attn.c_proj.weight 12,12",
      "h.0.attn.c_proj.bias 12",
      "h.0.ln_2.weight 12",
      "h.0.ln_2.bias 12",
      "h.0.mlp.c_fc.weight 48,12",
      "h.0.mlp.c_fc.bias 48",
      "h.0.mlp.c_proj.weight 12,48",
      "h.0.mlp.c_proj.bias 12",
    ]);
    expect(shapes.slice(-2)).toEqual(["ln_f.weight 12", "ln_f.bias 12"]);
    const untied = nn.gpt({ ...tiny, tieWeights: false, bias: false });
    expect([...nn.namedParameters(untied).keys()].filter((name) => name.endsWith("bias"))).toEqual([]);
    expect(nn.namedParameters(untied).get("lm_head.weight")?.shape).toEqual([11, 12]);
  });

  it("gives logits per position, of sequences up to the context length", () => {
    const model = nn.gpt(tiny);
    expect(nn.forward(model, input([3, 5], "i32")).shape).toEqual([3, 5, 11]);
    expect(() => model.forward(input([3, 9], "i32"))).toThrow(/9 tokens are more than the context length 8/);
    expect(() => model.forward(input([3, 5]))).toThrow(/tokens must be i32 of rank 2/);
  });

  it.each([
    [{ ...tiny, heads: 5 }, /embedSize 12 does not divide into 5 heads/],
    [{ ...tiny, layers: 0 }, /layers must be a whole number of at least 1/],
    [{ vocabSize: 3 }, /contextLength/],
    [{ ...tiny, heads: 4, kvHeads: 3 }, /kvHeads must be a divisor of heads 4, got 3/],
    [{ ...tiny, heads: 4, positions: "rotary" }, /rotary positions need heads of even width, got 3/],
    [{ ...tiny, norm: "batchNorm" }, /norm/],
    [{ ...tiny, normEps: -1 }, /normEps must be at least 0, got -1/],
    [{ ...tiny, rotaryBase: 0 }, /rotaryBase must be above 0 and finite, got 0/],
    [{ ...tiny, rotaryBase: Number.POSITIVE_INFINITY }, /rotaryBase must be above 0 and finite/],
  ])("refuses %o", (options, message) => {
    expect(() => nn.gpt(options as nn.GptOptions)).toThrow(message);
  });

  it("learns a repeated sequence with the trainer's short form", { timeout: 60_000 }, async () => {
    const model = nn.gpt({ ...tiny, dropout: 0.05 });
    const trainer = await Trainer.create(await gpuBackend(), {
      model,
      loss: nn.crossEntropy({ classAxis: -1 }),
      optimizer: adamw({ learningRate: 1e-2 }),
      batchSize: 4,
      seed: 3,
    });
    const tokens = Int32Array.from({ length: 4 * 8 }, (_, i) => (i % 8) + Math.floor(i / 8));
    const labels = Int32Array.from({ length: 4 * 8 }, (_, i) => ((i + 1) % 8) + Math.floor(i / 8));
    const set: Dataset = {
      name: "repeated",
      split: "train",
      count: 4,
      inputs: { shape: [8], data: tokens },
      labels,
      labelShape: [8],
      classes: 11,
    };
    const { epochs } = await trainer.fit(set, { epochs: 60 });
    expect(epochs[0]!.loss).toBeGreaterThan(2);
    expect(epochs.at(-1)!.loss).toBeLessThan(0.3);
    expect(epochs.at(-1)!.accuracy).toBeGreaterThan(0.9);
  });
});
