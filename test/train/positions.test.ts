/** Labels per position: weights of losses per position as a mask, and metrics over the positions whose label counts. */
import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { Random } from "../../src/numbers/random.ts";
import { crossEntropy } from "../../src/ops/loss/cross-entropy.ts";
import { l1 } from "../../src/ops/loss/element-losses.ts";
import { mse } from "../../src/ops/loss/mean-losses.ts";
import { sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import * as metrics from "../../src/train/metrics/metrics.ts";
import { loadStateDict } from "../../src/train/state/state-dict.ts";
import { gpuBackend } from "../support/backend.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];
const [N, C, T] = [5, 3, 7];
const random = new Random(8);
const logits = Float32Array.from({ length: N * C * T }, () => random.uniform(-2, 2));
const labels = Int32Array.from({ length: N * T }, (_, i) => (i % 4 === 3 ? 77 : (i * 5) % C));
const mask = Float32Array.from({ length: N * T }, (_, i) => (i % T < 1 + (i % 5) ? 0.5 : 0));
const at = (n: number, c: number, t: number) => logits[(n * C + c) * T + t] as number;

async function value(
  backend: Backend,
  build: (x: Tensor, y: Tensor, w: Tensor) => Tensor,
  y: Int32Array | Float32Array,
) {
  const x = input([N, C, T]);
  const target = y instanceof Int32Array ? input([N, T], "i32") : input([N, C, T]);
  const w = input([N, T]);
  const loss = build(x, target, w);
  const program = await backend.compile({ outputs: [loss] });
  backend.write(x, logits);
  backend.write(target, y);
  backend.write(w, mask);
  program.run();
  return (await program.read(loss))[0] as number;
}

describe.each(backends)("on the %s", (_, open) => {
  it("class losses take weights per position", async () => {
    const known = labels.map((label) => (label === 77 ? 1 : label));
    const found = await value(await open(), (x, y, w) => crossEntropy(x, y, { weights: w }).loss, known);
    let [total, weight] = [0, 0];
    for (let i = 0; i < N * T; i++) {
      const [n, t] = [Math.floor(i / T), i % T];
      const norm = Math.log([0, 1, 2].reduce((s, c) => s + Math.exp(at(n, c, t)), 0));
      total += (mask[i] as number) * (norm - at(n, known[i] as number, t));
      weight += mask[i] as number;
    }
    expect(found).toBeCloseTo(total / weight, 5);
  });

  it("element losses take weights for the first axes", async () => {
    // [N, C, T] against weights [N, C]: a mask of steps of a sequence of T values each.
    const [x, y, w] = [input([N, C, T]), input([N, C, T]), input([N, C])];
    const loss = l1(x, y, { weights: w });
    const squared = mse(x, y, { weights: w });
    const backend = await open();
    const program = await backend.compile({ outputs: [loss, squared] });
    const target = logits.map((v, i) => (i % 2 === 0 ? v + i : Number.NaN));
    const weights = Float32Array.from({ length: N * C }, (__, i) => (i % 2 === 0 ? 2 : 0));
    const clean = target.map((v, i) => (Math.floor(i / T) % 2 === 1 ? Number.NaN : Number.isNaN(v) ? 0 : v));
    backend.write(x, logits);
    backend.write(y, clean);
    backend.write(w, weights);
    program.run();
    let [total, squares, count] = [0, 0, 0];
    for (let i = 0; i < N * C * T; i++) {
      if (Math.floor(i / T) % 2 === 1) continue;
      const gap = (logits[i] as number) - (clean[i] as number);
      total += Math.abs(gap);
      squares += gap ** 2;
      count++;
    }
    expect((await program.read(loss))[0]).toBeCloseTo(total / count, 4);
    expect((await program.read(squared))[0]! / (squares / count)).toBeCloseTo(1, 5);
    expect(() => l1(x, y, { weights: input([N, T]) })).toThrow(
      /weights must have one value for each of 5 samples/,
    );
  });

  it("metrics count the positions whose label is not ignored", async () => {
    const set: Dataset = {
      name: "tags",
      split: "test",
      count: N,
      inputs: { data: logits, shape: [C, T] },
      labels,
      labelShape: [T],
      classes: C,
    };
    // The outputs are the inputs.
    const scale = nn.conv1d(C, C, 1, { bias: false });
    const trainer = await Trainer.create(await open(), {
      model: scale,
      loss: nn.crossEntropy({ ignoreIndex: 77 }),
      optimizer: sgd({ learningRate: 0.1 }),
      batchSize: 2,
      evalBatchSize: 2,
      metrics: [
        metrics.accuracy(),
        metrics.topK(2),
        metrics.confusionMatrix(),
        metrics.recall({ average: "none" }),
      ],
    });
    const data = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
    await loadStateDict(trainer, [["weight", { shape: [C, C, 1], data }]]);
    const matrix = Array.from({ length: C }, () => new Array<number>(C).fill(0));
    let [right, top2, count] = [0, 0, 0];
    labels.forEach((label, i) => {
      if (label === 77) return;
      const scores = [0, 1, 2].map((c) => at(Math.floor(i / T), c, i % T));
      const best = scores.indexOf(Math.max(...scores));
      matrix[label]![best]!++;
      right += Number(best === label);
      top2 += Number(scores[label] !== Math.min(...scores));
      count++;
    });
    const found = await trainer.evaluate(set);
    expect(found.accuracy).toBeCloseTo(right / count, 6);
    expect(found.metrics?.accuracy ?? found.accuracy).toBeCloseTo(right / count, 6);
    expect(found.metrics?.top2).toBeCloseTo(top2 / count, 6);
    expect(found.metrics?.confusionMatrix).toEqual(matrix);
  });
});
