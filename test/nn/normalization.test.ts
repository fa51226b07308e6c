/** Layers with a training mode: batchNorm's running statistics, evaluation, names, files; a residual block that trains. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { subset } from "../../src/data/dataset.ts";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { constant, input, state, type Tensor } from "../../src/graph/tensor.ts";
import { readSafetensors, writeSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import { add } from "../../src/ops/elementwise/arithmetic.ts";
import { relu } from "../../src/ops/elementwise/relu-sigmoid-tanh.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { adam } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";

const digits = syntheticDigits({ seed: 5, train: 640, test: 100 });

/** A layer of a user's own. */
class ResidualBlock implements nn.Module {
  readonly conv: nn.Layer;
  readonly norm: nn.Layer;
  constructor(channels: number) {
    this.conv = nn.conv2d(channels, channels, 3, { padding: 1, bias: false });
    this.norm = nn.batchNorm2d(channels);
  }
  forward(x: Tensor): Tensor {
    return relu(add(x, nn.forward(this.norm, nn.forward(this.conv, x))));
  }
}

const network = () =>
  nn.sequential(
    nn.conv2d(1, 4, 5, { stride: 2 }),
    new ResidualBlock(4),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.dropout(0.1),
    nn.linear(144, 10),
  );

const makeTrainer = (backend: Backend) =>
  Trainer.create(backend, {
    model: network(),
    loss: nn.crossEntropy(),
    optimizer: adam({ learningRate: 1e-2 }),
    batchSize: 32,
    seed: 2,
  });

it("a residual block with batchNorm trains", async () => {
  const trainer = await makeTrainer(await gpuBackend());
  const history = await trainer.fit(digits.train, { epochs: 4, validation: digits.test });
  const [first, last] = [history.epochs[0]!, history.epochs.at(-1)!];
  expect(last.loss).toBeLessThan(first.loss / 2);
  expect(last.valAccuracy).toBeGreaterThan(0.7);
});

it("GPU and CPU reference agree on losses and running statistics of some steps", async () => {
  const run = async (backend: Backend) => {
    const trainer = await makeTrainer(backend);
    const history = await trainer.fit(subset(digits.train, 96), { epochs: 1 });
    const { tensors } = readSafetensors(await trainer.toSafetensors());
    return { loss: history.epochs[0]!.loss, tensors };
  };
  const [gpu, cpu] = [await run(await gpuBackend()), await run(new CpuBackend())];
  expect(Math.abs(gpu.loss / cpu.loss - 1)).toBeLessThan(1e-3);
  for (const name of ["1.norm.running_mean", "1.norm.running_var", "1.norm.num_batches_tracked"]) {
    const [a, b] = [gpu.tensors.get(name)!, cpu.tensors.get(name)!];
    // Adam's first steps turn rounding of small gradients into steps of another size.
    expectClose(name, [...a.data], [...b.data], a.shape, { atol: 1e-3, rtol: 1e-3 });
  }
  expect([...gpu.tensors.get("1.norm.num_batches_tracked")!.data]).toEqual([3]);
});

it("a normalisation costs four dispatches in a training step, and what surrounds it none", async () => {
  const norm = () => nn.batchNorm2d(16);
  const conv = (from: number) => nn.conv2d(from, 16, 3, { padding: 1, bias: false });
  const block = () => nn.residual(nn.sequential(conv(16), norm(), nn.relu(), conv(16), norm()), undefined);
  const model = nn.sequential(conv(3), norm(), nn.relu(), block(), nn.relu(), block(), nn.relu());
  const parameters = [...nn.namedParameters(model).values()];
  const x = input([4, 3, 8, 8]);
  const { result: y, updates } = nn.build({ training: true }, () => model.forward(x));
  const optimizer = adam();
  const step = state([1], 0, "u32");
  const slopes = gradients(y, parameters, input(y.shape));
  const spec = {
    outputs: [y],
    updates: [...updates, ...optimizer.updates(parameters, slopes, optimizer.states(parameters), step)],
  };
  const program = await (await gpuBackend()).compile(spec);
  const { steps } = program.describe();
  const others = steps.filter((s) => !s.includes("conv2d"));
  const norms = 5;
  expect(others.filter((s) => s.includes("normSums"))).toHaveLength(norms);
  expect(others.filter((s) => s.includes("reluBackward") && !s.includes("normSums"))).toEqual([]);
  expect(others.filter((s) => s.includes("runningStats"))).toEqual([]);
  // Beside them: the optimizer, and its counter.
  expect(others).toHaveLength(4 * norms + 2);
});

it("a file holds running statistics; training goes on from it as if it had never stopped", async () => {
  const backend = await gpuBackend();
  const data = subset(digits.train, 96);
  const straight = await makeTrainer(backend);
  await straight.fit(data, { epochs: 2 });
  const first = await makeTrainer(backend);
  await first.fit(data, { epochs: 1 });
  const second = await makeTrainer(backend);
  await second.fromSafetensors(await first.toSafetensors());
  expect(await second.evaluate(digits.test)).toEqual(await first.evaluate(digits.test));
  await second.fit(data, { epochs: 1 });
  expect(await second.toSafetensors()).toEqual(await straight.toSafetensors());
});

it("names are those of PyTorch, and its files load", async () => {
  const trainer = await makeTrainer(new CpuBackend());
  expect([...trainer.parameters.keys()].slice(2, 5)).toEqual([
    "1.conv.weight",
    "1.norm.weight",
    "1.norm.bias",
  ]);
  expect([...trainer.buffers.keys()]).toEqual([
    "1.norm.running_mean",
    "1.norm.running_var",
    "1.norm.num_batches_tracked",
  ]);
  const file = [...trainer.parameters, ...trainer.buffers].map(([name, t]) => {
    const data = t.dtype === "f32" ? new Float32Array(t.size).fill(0.5) : Int32Array.of(7);
    return [name, { shape: t.shape, data }] as const;
  });
  await trainer.fromSafetensors(writeSafetensors(file));
  const { tensors } = readSafetensors(await trainer.toSafetensors());
  expect([...tensors.get("1.norm.running_var")!.data]).toEqual([0.5, 0.5, 0.5, 0.5]);
  expect([...tensors.get("1.norm.num_batches_tracked")!.data]).toEqual([7]);
  const without = file.filter(([name]) => !name.endsWith("running_var"));
  await expect(trainer.fromSafetensors(writeSafetensors(without))).rejects.toThrow(
    /lacks 1\.norm\.running_var/,
  );
});

describe("modes", () => {
  it("batchNorm takes the batch's statistics while training and running ones in evaluation", async () => {
    const backend = await gpuBackend();
    const layer = nn.batchNorm1d(2);
    const x = input([4, 2]);
    const { result, updates } = nn.build({ training: true }, () => layer.forward(x));
    expect(updates).toHaveLength(1);
    const train = await backend.compile({ outputs: [result], updates });
    const evaluation = await backend.compile({ outputs: [layer.forward(x)] });
    backend.write(x, Float32Array.of(1, 5, 3, 5, 5, 5, 7, 5));
    train.run();
    evaluation.run();
    const s = 1 / Math.sqrt(5 + 1e-5);
    expectClose("training", await train.read(result), [-3 * s, 0, -s, 0, s, 0, 3 * s, 0], [4, 2]);
    // Means 4 and 5, unbiased variances 20 / 3 and 0, a tenth of each taken over.
    expectClose("mean", await backend.read(layer.running_mean!), [0.4, 0.5], [2]);
    expectClose("variance", await backend.read(layer.running_var!), [0.9 + 2 / 3, 0.9], [2]);
  });

  it("dropout drops while training alone, and asks for random numbers there", () => {
    const x = input([8]);
    expect(nn.build({ training: false }, () => nn.forward(nn.dropout(0.5), x)).result).toBe(x);
    expect(nn.forward(nn.dropout(0.5), x).node.op.view).toBe("reshape");
    expect(() => nn.build({ training: true }, () => nn.forward(nn.dropout(0.5), x))).toThrow(
      /nn\.dropout: training needs nn\.build with a RandomSource/,
    );
    expect(nn.isTraining()).toBe(false);
  });

  it("layers without running statistics keep to the batch", () => {
    const layer = nn.batchNorm2d(3, { trackRunningStats: false, affine: false });
    const { updates } = nn.build({ training: true }, () => layer.forward(input([2, 3, 4, 4])));
    expect(updates).toEqual([]);
    expect(nn.namedBuffers(layer).size + nn.namedParameters(layer).size).toBe(0);
    expect(layer.forward(input([2, 3, 4, 4])).node.op.name).toBe("normalize");
  });
});

it("every layer has gradients for all its parameters", async () => {
  const backend = await gpuBackend();
  const layers: Record<string, nn.Layer> = {
    layerNorm: nn.layerNorm([5, 5]),
    groupNorm: nn.groupNorm(2, 4),
    rmsNorm: nn.rmsNorm(5),
    prelu: nn.prelu(4),
    residual: nn.residual(nn.conv2d(4, 6, 3, { padding: 1 }), nn.conv2d(4, 6, 1)),
    activations: nn.sequential(
      nn.elu(),
      nn.gelu(),
      nn.hardSigmoid(),
      nn.hardtanh(),
      nn.identity(),
      nn.leakyRelu(),
      nn.mish(),
      nn.selu(),
      nn.silu(),
      nn.softplus(),
      nn.prelu(),
    ),
  };
  const x = input([2, 4, 5, 5]);
  const parameters = Object.values(layers).flatMap((layer) => [...nn.namedParameters(layer).values()]);
  const total = Object.values(layers)
    .map((layer) => sum(nn.forward(layer, x)))
    .reduce((a, b) => add(a, b));
  const grads = gradients(total, parameters);
  const program = await backend.compile({ outputs: grads });
  backend.write(
    x,
    Float32Array.from({ length: x.size }, (_, i) => Math.sin(i)),
  );
  program.run();
  for (const [i, g] of grads.entries()) {
    const values = await program.read(g);
    expect([...values].every(Number.isFinite), parameters[i]!.label).toBe(true);
  }
  expect([...nn.namedParameters(layers.residual!).keys()]).toEqual([
    "main.weight",
    "main.bias",
    "shortcut.weight",
    "shortcut.bias",
  ]);
});

it("an embedding learns to tell its rows apart", async () => {
  const backend = await gpuBackend();
  const layer = nn.embedding(5, 3);
  const indices = input([2, 2], "i32");
  const [dw] = gradients(sum(layer.forward(indices)), [layer.weight]);
  const program = await backend.compile({ outputs: [dw!] });
  backend.write(indices, Int32Array.of(1, 4, 4, 4));
  program.run();
  expect([...(await program.read(dw!))]).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 3, 3, 3]);
});

it("an embedding's padding starts as zeros and has no gradient", async () => {
  const device = await gpuBackend();
  for (const [paddingIdx, weightInit] of [
    [2, undefined],
    [-3, nn.init.ones],
    [2, () => new Float32Array(15).fill(1)],
  ] as const) {
    const layer = nn.embedding(5, 3, { paddingIdx, ...(weightInit && { weightInit }) });
    const rows = layer.forward(constant(Int32Array.of(2, 1, 2, 4)));
    const [dw] = gradients(sum(rows), [layer.weight]);
    using program = await device.compile({ outputs: [rows, dw!] });
    program.run();
    const values = [...(await program.read(rows))];
    expect(values.map((v) => v !== 0)).toEqual([0, 1, 0, 1].flatMap((v) => [v, v, v].map(Boolean)));
    expect([...(await program.read(dw!))]).toEqual([0, 1, 0, 0, 1].flatMap((v) => [v, v, v]));
  }
  expect(() => nn.embedding(5, 3, { paddingIdx: 5 })).toThrow(
    /nn\.embedding: paddingIdx must be one of the 5 rows, got 5/,
  );
});

it("refuses what does not fit", () => {
  expect(() => nn.batchNorm2d(3).forward(input([2, 4, 5, 5]))).toThrow(
    /nn\.batchNorm2d: needs rank 4 and 3 channels, got f32\[2, 4, 5, 5\]/,
  );
  expect(() => nn.batchNorm1d(3).forward(input([2, 3, 5, 5]))).toThrow(/nn\.batchNorm1d: needs rank 2 or 3/);
  expect(() => nn.groupNorm(3, 4)).toThrow(/nn\.groupNorm: numChannels \/ numGroups must be a whole number/);
  expect(() => nn.dropout(2)).toThrow(/nn\.dropout: p must be in \[0, 1\], got 2/);
  const { updates } = nn.build({ training: true }, () => nn.batchNorm1d(1).forward(input([2, 1])));
  expect(() => nn.addUpdate(updates[0]!)).toThrow(/updates need nn\.build around the layers/);
});

it("the last, partial batch takes its statistics of real samples", async () => {
  const count = 3;
  const inputs = Float32Array.of(4, 6, 8);
  const labels = new Float32Array(count);
  const data = {
    name: "three",
    split: "train",
    count,
    inputs: { data: inputs, shape: [1] },
    labels,
  } as const;
  const trainer = await Trainer.create(await gpuBackend(), {
    model: nn.sequential(nn.batchNorm1d(1, { momentum: 1 }), nn.linear(1, 1)),
    loss: nn.mse(),
    optimizer: adam(),
    batchSize: 2,
  });
  await trainer.fit(data, { epochs: 1 });
  const { tensors } = readSafetensors(await trainer.toSafetensors());
  // Two different ones of 4, 6 and 8: filled up with zeros the mean would be below 4.
  expect([5, 6, 7]).toContain(tensors.get("0.running_mean")!.data[0]);
});
