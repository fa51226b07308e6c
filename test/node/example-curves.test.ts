/** The networks of the examples against PyTorch: the losses of 20 steps from the same weights and batches, to 1e-3. */
import { afterAll, beforeAll, expect, it } from "vitest";
import * as gan from "../../examples/gan.js";
import { network } from "../../examples/k-fold.js";
import { Reader } from "../../examples/lstm.js";
import { policyLoss, policyNetwork } from "../../examples/reinforce.js";
import { resnet } from "../../examples/resnet20.js";
import { contrastiveLoss, makeNetwork as siamese } from "../../examples/siamese.js";
import { makeNetwork as predictor } from "../../examples/stream.js";
import { makeTrunk } from "../../examples/transfer.js";
import { Hills, heavyBall, lossOf } from "../../examples/two-inputs.js";
import { UNet } from "../../examples/unet.js";
import { lowerBound, networks as vae } from "../../examples/vae.js";
import * as ops from "../../src/all-ops.ts";
import { fromColumns } from "../../src/data/columns.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import type { TrainingData } from "../../src/data/sharded.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { openDevice } from "../../src/node/index.ts";
import * as optim from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import type { TrainMetrics } from "../../src/train/loop/events.ts";
import type { TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { loadStateDict, stateDict } from "../../src/train/state/state-dict.ts";
import { readJsonFixture } from "../support/fixtures.ts";
import { pattern, patternAt, patternWeights } from "../support/pattern.ts";

const STEPS = 20;
const BATCH = 8;

/** Columns of a batch by name. */
type Batch = Record<string, Tensor>;

let device: Backend;
beforeAll(async () => {
  device = await openDevice({ require: "webgpu" });
});
afterAll(() => device.close());

/** Values [20 · 8, …shape] of which batch s is `of(pattern(…, first + s))`. */
function column(shape: readonly number[], first: number, of = (v: number) => v) {
  const size = BATCH * shape.reduce((product, extent) => product * extent, 1);
  const data = new Float32Array(STEPS * size);
  for (let s = 0; s < STEPS; s++) data.set(pattern(size, first + s).map(of), s * size);
  return { data, shape };
}

const classes = (of: (i: number) => number) =>
  Int32Array.from({ length: STEPS * BATCH }, (_, i) => of(i % BATCH));

/** An ordinary data set of these inputs. */
const labelled = (
  shape: readonly number[],
  labels: Pick<Dataset, "labels" | "classes" | "labelShape">,
): Dataset => ({
  name: "pattern",
  split: "all",
  count: STEPS * BATCH,
  inputs: column(shape, 0),
  ...labels,
});

/** Losses of 20 steps from the weights of `patternWeights`. `named`: those of the model, frozen ones too. */
async function curve(
  named: ReadonlyMap<string, Tensor>,
  options: object,
  train: TrainingData,
  lossesOf: (step: TrainMetrics) => readonly number[] = ({ loss }) => [loss],
): Promise<number[]> {
  const trainer = await Trainer.create(device, {
    ...options,
    batchSize: BATCH,
    shuffle: false,
  } as TrainerOptions);
  const state = new Map(await stateDict(trainer));
  for (const [name, data] of patternWeights(named)) state.set(name, { shape: named.get(name)!.shape, data });
  await loadStateDict(trainer, state);
  const losses: number[] = [];
  await trainer.fit(train, { steps: STEPS, onSteps: (_, steps) => losses.push(...steps.flatMap(lossesOf)) });
  return losses;
}

async function expectCurve(name: string, losses: readonly number[]) {
  const expected = (await readJsonFixture<Record<string, number[]>>("torch/examples.json"))[name]!;
  expect(losses.length).toBe(expected.length);
  losses.forEach((loss, i) => {
    expect(Math.abs(loss / expected[i]! - 1), `step ${i}: ${loss}, PyTorch ${expected[i]}`).toBeLessThan(
      1e-3,
    );
  });
}

it("ResNet-20", async () => {
  const model = resnet(3);
  const optimizer = optim.sgd({ learningRate: 3e-4, momentum: 0.9, weightDecay: 1e-4 });
  const train = labelled([3, 16, 16], { labels: classes((i) => i), classes: 10 });
  await expectCurve(
    "resnet20",
    await curve(nn.namedParameters(model), { model, loss: nn.crossEntropy(), optimizer }, train),
  );
});

it("the network of k-fold", async () => {
  const model = network(13);
  const rows = column([13], 0).data;
  const labels = Float32Array.from({ length: STEPS * BATCH }, (_, i) => rows[13 * i]! - rows[13 * i + 1]!);
  const optimizer = optim.adam({ learningRate: 1e-2, weightDecay: 1e-3 });
  await expectCurve(
    "k_fold",
    await curve(nn.namedParameters(model), { model, loss: nn.mse(), optimizer }, labelled([13], { labels })),
  );
});

it("the autoencoder, its noise given", async () => {
  const model = vae(64, 32);
  const step = ({ images, noise }: Batch) => {
    const { reconstruction, divergence } = lowerBound(model, images, noise);
    return { loss: ops.mean(ops.add(reconstruction, divergence)) };
  };
  const train = fromColumns({ images: column([64], 0, (v) => (v + 1) / 2), noise: column([8], 100) });
  await expectCurve(
    "vae",
    await curve(
      nn.namedParameters(model),
      { model, step, optimizer: optim.adam({ learningRate: 1e-3 }) },
      train,
    ),
  );
});

it("both networks of the GAN, its noise given", async () => {
  const models = gan.networks();
  const phase = (model: object, step: (batch: Batch) => object) => ({
    ...{ model, step, optimizer: optim.adam({ learningRate: 1e-3, betas: [0.5, 0.999] }) },
  });
  const phases = {
    discriminator: phase(models.discriminator, ({ points, noise }) => ({
      loss: gan.discriminatorLoss(models, points, noise),
    })),
    generator: phase(models.generator, ({ noise }) => ({ loss: gan.generatorLoss(models, noise) })),
  };
  const train = fromColumns({ points: column([2], 0), noise: column([4], 100) });
  await expectCurve(
    "gan",
    await curve(nn.namedParameters(models), { phases }, train, (step) => [
      step.metrics?.["discriminator.loss"] as number,
      step.metrics?.["generator.loss"] as number,
    ]),
  );
});

it("the head over a frozen trunk", async () => {
  const trunk = makeTrunk();
  const model = nn.sequential(trunk, nn.linear(64, 5));
  const named = nn.namedParameters(model);
  nn.freeze(trunk);
  const train = labelled([1, 28, 28], { labels: classes((i) => i % 5), classes: 5 });
  const optimizer = optim.adam({ learningRate: 3e-3 });
  await expectCurve("transfer", await curve(named, { model, loss: nn.crossEntropy(), optimizer }, train));
});

it("the Siamese network", async () => {
  const model = siamese();
  const same = classes((i) => Number(i % 2 === 0));
  const train = fromColumns({ a: column([64], 0), b: column([64], 100), same: Float32Array.from(same) });
  const step = (batch: Batch) => ({ loss: contrastiveLoss(model, batch as never) });
  await expectCurve(
    "siamese",
    await curve(
      nn.namedParameters(model),
      { model, step, optimizer: optim.adam({ learningRate: 2e-3 }) },
      train,
    ),
  );
});

it("the U-Net", async () => {
  const model = new UNet(3);
  const labels = Int32Array.from({ length: STEPS * BATCH * 256 }, (_, i) => (i % (BATCH * 256)) % 3);
  const train = labelled([1, 16, 16], { labels, labelShape: [16, 16], classes: 3 });
  const optimizer = optim.adam({ learningRate: 1e-3 });
  await expectCurve(
    "unet",
    await curve(nn.namedParameters(model), { model, loss: nn.crossEntropy(), optimizer }, train),
  );
});

it("two inputs and outputs, with a gradient penalty and an own rule", async () => {
  const model = new Hills();
  const step = (batch: Batch) => ({ loss: lossOf(model, batch as never, 0.5).loss });
  const train = fromColumns({
    place: column([2], 0, (v) => 2 * v),
    season: column([2], 100),
    height: column([1], 200),
    snow: column([1], 300, (v) => (v + 1) / 2),
  });
  await expectCurve(
    "two_inputs",
    await curve(nn.namedParameters(model), { model, step, optimizer: heavyBall(0.03) }, train),
  );
});

it("the policy of REINFORCE", async () => {
  const model = policyNetwork();
  const train = fromColumns({
    observations: column([4], 0),
    actions: classes((i) => i % 2),
    returns: column([], 100),
  });
  const step = (batch: Batch) => ({ loss: policyLoss(model, batch as never) });
  await expectCurve(
    "reinforce",
    await curve(
      nn.namedParameters(model),
      { model, step, optimizer: optim.adam({ learningRate: 1e-2 }) },
      train,
    ),
  );
});

it("the network that reads a stream", async () => {
  const model = predictor();
  const train = labelled([16], { labels: column([1], 100).data });
  const optimizer = optim.adam({ learningRate: 3e-3 });
  await expectCurve(
    "stream",
    await curve(nn.namedParameters(model), { model, loss: nn.mse(), optimizer }, train),
  );
});

it("the LSTM that is told the lengths", async () => {
  const model = new Reader();
  const tokens = Int32Array.from({ length: STEPS * BATCH * 12 }, (_, j) => {
    const s = Math.floor(j / (BATCH * 12));
    return Math.trunc((patternAt(j % (BATCH * 12), s) + 1) * 4.5);
  });
  const train = fromColumns({
    tokens: { data: tokens, shape: [12] },
    lengths: classes((i) => 5 + i),
    labels: classes((i) => i),
  });
  const step = ({ tokens, lengths, labels }: Batch) => ({
    loss: ops.crossEntropy(model.forward({ tokens, lengths }), labels!).loss,
  });
  const options = { model, step, optimizer: optim.adam({ learningRate: 5e-3 }) };
  await expectCurve("lstm", await curve(nn.namedParameters(model), options, train));
});
