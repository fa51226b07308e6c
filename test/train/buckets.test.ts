/** Sequences of different lengths in buckets train through `trainer.step`: one program per bucket, padding does not count. */
import { describe, expect, it } from "vitest";
import { batches, bucketByLength, fromSequences } from "../../src/data/sequences.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { crossEntropy } from "../../src/ops/loss/cross-entropy.ts";
import { expandDims } from "../../src/ops/shape/reshape.ts";
import { permute } from "../../src/ops/shape/transpose.ts";
import { adam } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import type { StepBatch } from "../../src/train/step/phase.ts";
import { gpuBackend } from "../support/backend.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

const lengths = Array.from({ length: 30 }, (_, i) => 1 + ((i * 7) % 11));
const sequences = lengths.map((steps, i) => Int32Array.from({ length: steps }, (_, t) => (i + t) % 4));
const set = fromSequences({
  tokens: { sequences },
  next: { sequences: sequences.map((sequence) => sequence.map((v) => (v + 1) % 4)), classes: 4 },
});

describe.each(backends)("on the %s", (_, open) => {
  it("batches of one bucket at a time train, with a mask and ignored labels", async () => {
    class Tagger {
      readonly embedding = nn.embedding(4, 6);
      readonly head = nn.linear(6, 4);
    }
    const model = new Tagger();
    const trainer = await Trainer.create(await open(), {
      model,
      optimizer: adam({ learningRate: 0.05 }),
      batchSize: 8,
      seed: 1,
      step: ({ weights, ...columns }: StepBatch) => {
        const { tokens, next, mask } = columns as unknown as Record<"tokens" | "next" | "mask", Tensor>;
        const logits = permute(model.head.forward(model.embedding.forward(tokens)), [0, 2, 1]);
        const each = mul(mask, expandDims(weights, 1));
        return { loss: crossEntropy(logits, next, { weights: each }).loss };
      },
    });
    const buckets = bucketByLength(set, { boundaries: [3, 6, 12] });
    const shapes = new Set<number>();
    let steps = 0;
    for (let epoch = 0; epoch < 12; epoch++) {
      for (const batch of batches(buckets, { batchSize: 8, seed: 5, epoch })) {
        shapes.add(batch.mask!.shape[0] as number);
        await trainer.step(batch);
        steps++;
      }
    }
    expect([...shapes].sort((a, b) => a - b)).toEqual([3, 6, 11]);
    expect(trainer.steps).toBe(steps);
    expect((await trainer.evaluate(set)).loss).toBeLessThan(0.1);
  });
});
