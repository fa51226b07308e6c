/** nn.lora: what it adds and trains, merging, files of adapters, and what it refuses. */
import { beforeAll, describe, expect, it } from "vitest";
import { loraFromSafetensors, loraToSafetensors, mergeLora } from "../../src/index.ts";
import { readSafetensors, writeSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import { adamw } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";

const tiny = { vocabSize: 11, contextLength: 8, layers: 2, heads: 2, embedSize: 12, tieWeights: false };
const options = { rank: 2, alpha: 8, targets: ["c_attn", "lm_head"] };
const tokens = Int32Array.from({ length: 4 * 8 }, (_, i) => (i * 7) % 11);
const set = {
  name: "tokens",
  split: "train",
  count: 4,
  inputs: { shape: [8], data: tokens },
  labels: tokens.map((t) => (t + 1) % 11),
  labelShape: [8],
  classes: 11,
};
let backend: Backend;
beforeAll(async () => {
  backend = await gpuBackend();
});

const trainerOf = (model: nn.Layer, learningRate = 1e-2, extra = {}) =>
  Trainer.create(backend, {
    model,
    loss: nn.crossEntropy({ classAxis: -1 }),
    optimizer: adamw({ learningRate, weightDecay: 0.1 }),
    batchSize: 4,
    ...extra,
  });
const logits = async (trainer: Trainer) => (await predict(trainer, set)).values as Float32Array;

describe("nn.lora", () => {
  it("trains the adapters and nothing else, from the base's outputs on", async () => {
    const model = nn.gpt(tiny);
    const base = await trainerOf(model);
    await base.fit(set, { epochs: 3 });
    const before = await logits(base);
    const weight = await base.parameter("h.0.attn.c_attn.weight");
    await base.destroy();
    const adapters = nn.lora(model, options);
    expect([...adapters.parameters].map(([name, { shape }]) => `${name} ${shape}`)).toEqual([
      "h.0.attn.c_attn.lora_A.weight 2,12",
      "h.0.attn.c_attn.lora_B.weight 36,2",
      "h.1.attn.c_attn.lora_A.weight 2,12",
      "h.1.attn.c_attn.lora_B.weight 36,2",
      "lm_head.lora_A.weight 2,12",
      "lm_head.lora_B.weight 11,2",
    ]);
    const trainer = await trainerOf(model);
    expect([...trainer.parameters.keys()]).toEqual([...adapters.parameters.keys()]);
    expectClose("before training", await logits(trainer), before, [4, 8, 11], { atol: 1e-6 });
    const { epochs } = await trainer.fit(set, { epochs: 40 });
    expect(epochs.at(-1)!.loss).toBeLessThan(0.9 * epochs[0]!.loss);
    const [frozen] = await backend.readAll([model.h[0]!.attn.c_attn.weight]);
    expect(frozen).toEqual(weight);

    // Merged: the same outputs of programs compiled before and after.
    const trained = await logits(trainer);
    await mergeLora(trainer, adapters);
    // Weights of up to 0.5 are rounded to 3e-8 and added 12 times per layer.
    expectClose("merged", await logits(trainer), trained, [4, 8, 11], { atol: 1e-5 });
    const [changed] = await backend.readAll([model.h[0]!.attn.c_attn.weight]);
    expect(changed).not.toEqual(weight);
    await expect(mergeLora(trainer, adapters)).rejects.toThrow(/the adapters were merged into the weights/);
    await expect(loraToSafetensors(trainer, adapters)).rejects.toThrow(/merged into the weights/);
    await trainer.destroy();
    nn.unfreeze(model);
    const plain = await trainerOf(model);
    expect([...plain.parameters.keys()].filter((name) => name.includes("lora"))).toEqual([]);
    expectClose("unloaded", await logits(plain), trained, [4, 8, 11], { atol: 1e-5 });
    await plain.destroy();
  });

  it("computes no gradients of frozen layers", async () => {
    const model = nn.gpt(tiny);
    nn.lora(model, { rank: 2, targets: ["lm_head"] });
    const trainer = await trainerOf(model);
    await trainer.fit(set, { steps: 1 });
    const { steps } = trainer.describe()[0]!;
    await trainer.destroy();
    // Only the output layer is trained: nothing before it has a gradient.
    expect(steps.filter((label) => /attention.*Backward|scatter|norm.*Backward/i.test(label))).toEqual([]);
    expect(steps.filter((label) => label === "linearBackward").length).toBeLessThanOrEqual(2);
  });

  it("saves adapters under PEFT's names and loads them into another model", async () => {
    const [model, other] = [nn.gpt(tiny), nn.gpt(tiny)];
    const [own, others] = [nn.lora(model, options), nn.lora(other, options)];
    const [a, b] = [await trainerOf(model), await trainerOf(other)];
    await a.fit(set, { epochs: 5 });
    const bytes = await loraToSafetensors(a, own);
    const { tensors, metadata } = readSafetensors(bytes);
    expect([...tensors.keys()][0]).toBe("base_model.model.h.0.attn.c_attn.lora_A.weight");
    expect(metadata).toMatchObject({ r: "2", lora_alpha: "8", target_modules: '["c_attn","lm_head"]' });
    await loraFromSafetensors(b, others, bytes);
    expectClose("loaded", await logits(b), await logits(a), [4, 8, 11], { atol: 1e-6 });

    const all = [...tensors];
    const refused = (changed: typeof all, meta: Record<string, string>, message: RegExp) =>
      expect(loraFromSafetensors(b, others, writeSafetensors(changed, meta))).rejects.toThrow(message);
    await refused(all.slice(1), {}, /lacks base_model.model.h.0.attn.c_attn.lora_A.weight/);
    await refused([...all, ["x", all[0]![1]]], {}, /holds x, which the adapters do not have/);
    await expect(loraToSafetensors(b, own)).rejects.toThrow(/is no parameter of this trainer/);
    await refused(all, { r: "4" }, /r is 4, that of the model's adapters 2/);
    await a.destroy();
    await b.destroy();
  });

  it("draws dropout in training only", async () => {
    const trained = async (dropout: number) => {
      const model = nn.gpt(tiny);
      nn.lora(model, { ...options, dropout });
      const trainer = await trainerOf(model);
      await trainer.fit(set, { epochs: 2 });
      expect(await logits(trainer)).toEqual(await logits(trainer));
      const B = await trainer.parameter("lm_head.lora_B.weight");
      await trainer.destroy();
      return B;
    };
    const [without, dropped] = [await trained(0), await trained(0.5)];
    expect(without.some((value) => value !== 0)).toBe(true);
    expect(dropped).not.toEqual(without);
  });

  it.each<[string, object, RegExp]>([
    [
      "a target that is not there",
      { targets: ["q_proj"] },
      /no linear layer is called "q_proj"; there are h.0.attn.c_attn/,
    ],
    ["no targets", { targets: [] }, /targets must name at least one layer/],
    ["a large rank", { rank: 13 }, /rank 13 is larger than the smaller size of h.0.attn.c_attn, 12/],
    ["alpha of 0", { alpha: 0 }, /alpha must be above 0/],
    ["a pattern with state", { targets: [/c_attn/g] }, /must not have the flags g or y/],
    ["dropout of 2", { dropout: 2 }, /p must be in \[0, 1\]/],
  ])("refuses %s, and changes nothing", (_, changes, message) => {
    const model = nn.gpt(tiny);
    expect(() => nn.lora(model, { ...options, ...changes })).toThrow(message);
    expect(nn.namedBuffers(model).size).toBe(0);
    expect([...nn.namedParameters(model).keys()].filter((name) => name.includes("lora"))).toEqual([]);
  });

  it("refuses adapters of a model that has some, finds layers by pattern", () => {
    const model = nn.gpt(tiny);
    const first = nn.lora(model, { rank: 1, targets: [/h\.1\..*c_/] });
    expect(first.parameters.size).toBe(8);
    expect(() => nn.lora(model, { rank: 1, targets: ["c_fc"] })).toThrow(
      /the model has adapters already, at h.1.attn.c_attn/,
    );
  });
});
