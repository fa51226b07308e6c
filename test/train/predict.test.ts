/** `predict`: every sample in order, a partial last batch, transforms applied, the current weights. */
import { describe, expect, it } from "vitest";
import { fromColumns } from "../../src/data/columns.ts";
import { subset } from "../../src/data/dataset.ts";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import * as nn from "../../src/nn/index.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { adam } from "../../src/optim/index.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import type { Samples } from "../../src/train/predict/samples.ts";
import { ofInputs } from "../../src/transforms/transform.ts";
import { ValueError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";

const { train, test } = syntheticDigits({ train: 400, test: 253, seed: 3 });
const model = () =>
  nn.sequential(nn.flatten(), nn.linear(784, 24), nn.relu(), nn.dropout(0.5), nn.linear(24, 10));
const options = { loss: nn.crossEntropy(), optimizer: adam(), batchSize: 50, seed: 1 };

describe.each([
  ["cpu", async () => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("predict on %s", (_, open) => {
  it("predicts every sample in order, with the current weights", async () => {
    const trainer = await Trainer.create(await open(), { ...options, model: model() });
    const before = await predict(trainer, test);
    await trainer.fit(train, { epochs: 2 });
    const { values, shape } = await predict(trainer, test);
    expect([...shape, values.length]).toEqual([10, 2530]);
    expect(values).not.toEqual(before.values);
    const right = Array.from({ length: test.count }, (_, i) => {
      const row = values.subarray(i * 10, i * 10 + 10);
      return row.indexOf(Math.max(...row)) === test.labels[i];
    });
    const { accuracy } = await trainer.evaluate(test);
    expect(right.filter(Boolean).length / test.count).toBeCloseTo(accuracy as number, 6);
    const one = await predict(trainer, subset(test, 1));
    one.values.forEach((value, c) => {
      expect(value).toBeCloseTo(values[c] as number, 4);
    });
  });

  it("gives tokens as i32, of data sets and of columns, and refuses columns without inputs", async () => {
    const embedded = nn.sequential(nn.embedding(4, 3), nn.flatten(), nn.linear(6, 2));
    const trainer = await Trainer.create(await open(), { ...options, batchSize: 2, model: embedded });
    const data = Int32Array.of(0, 1, 2, 3, 3, 1);
    const tokens = { count: 3, inputs: { data, shape: [2] } };
    const { values } = await predict(trainer, tokens);
    const table = (await trainer.parameter("0.weight")).values();
    const [rows, weight, bias] = [
      [...table],
      [...(await trainer.parameter("2.weight"))],
      [...(await trainer.parameter("2.bias"))],
    ];
    values.forEach((value, at) => {
      const [i, c] = [Math.floor(at / 2), at % 2];
      const x = [0, 1].flatMap((t) =>
        rows.slice(3 * (data[2 * i + t] as number), 3 * (data[2 * i + t] as number) + 3),
      );
      const expected = x.reduce((sum, v, k) => sum + v * (weight[c * 6 + k] as number), bias[c] as number);
      expect(value).toBeCloseTo(expected, 5);
    });
    const columns = fromColumns({ inputs: tokens.inputs, extra: new Float32Array(3) });
    expect((await predict(trainer, columns)).values).toEqual(values);
    const bytes = fromColumns({ inputs: { data: Uint8Array.from(data), shape: [2], as: "i32" } });
    expect((await predict(trainer, bytes)).values).toEqual(values);
    const other = fromColumns({ x: new Float32Array(3) });
    await expect(predict(trainer, other)).rejects.toThrow(/has no column inputs in memory \(there are x\)/);
    const scaled = { count: 3, inputs: { data, shape: [2], scale: 2 } };
    await expect(predict(trainer, scaled)).rejects.toThrow(/inputs of i32 can't be scaled/);
  });

  it("applies the trainer's transform", async () => {
    const transform = ofInputs("nothing", (x) => mul(x, 0));
    const trainer = await Trainer.create(await open(), { ...options, model: model(), transform });
    const { values } = await predict(trainer, subset(test, 3));
    expect(values.subarray(10, 20)).toEqual(values.subarray(0, 10));
  });

  it("refuses samples that the model does not take", async () => {
    const trainer = await Trainer.create(await open(), { ...options, model: model() });
    const inputs = { data: new Float32Array(6), shape: [3] };
    await expect(predict(trainer, { count: 2, inputs })).rejects.toThrow(/linear/);
  });

  it("takes any array of numbers, and refuses too few and other things", async () => {
    const trainer = await Trainer.create(await open(), { ...options, model: nn.linear(4, 10) });
    const ask = (data: unknown, count = 1) =>
      predict(trainer, { count, inputs: { data, shape: [4] } as unknown as Samples["inputs"] });
    const numbers = [1, 0, 3, 120];
    const { values } = await ask(Float32Array.from(numbers));
    const kinds = [
      numbers,
      Float64Array.from(numbers),
      Int16Array.from(numbers),
      BigInt64Array.from(numbers.map(BigInt)),
    ];
    for (const data of [...kinds, Uint8ClampedArray.from(numbers), Uint8Array.from(numbers)]) {
      expect((await ask(data)).values).toEqual(values);
    }
    await expect(ask(numbers, 2)).rejects.toThrow(
      /predict: 2 samples of \[4\] have 8 values, but inputs\.data has 4/,
    );
    for (const data of [
      new DataView(new ArrayBuffer(16)),
      new ArrayBuffer(16),
      "1234",
      [1, "2", 3, 4],
      undefined,
    ]) {
      await expect(ask(data)).rejects.toThrow(ValueError);
    }
    for (const count of [0, 1.5, Number.NaN])
      await expect(ask(numbers, count)).rejects.toThrow(/whole number/);
  });
});
