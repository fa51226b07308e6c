/**
 * Files that earlier versions wrote: each loads, and training continues from it with the numbers that those versions had; or it
 * is refused with a message that says what to do.
 *
 * How test/fixtures/previous was made, on the CPU reference, with the trainer of `settings` and the data of `numbers` below:
 * - commit 523ad50: saved.safetensors is `toSafetensors()` after two epochs; expected.json has what `evaluate` gave there, the
 *   records of two more epochs, and the weights after them. run/ has the checkpoints after epochs 1 and 2 of a fit over four
 *   epochs (`everyEpochs: 1`), expected.json the records of all four. recording.json is `recordTraining` of one linear layer.
 *   choices.json is what `compile` with `tune` stored for two running sums, by a clock on which the other variant was faster.
 * - commit cca8671: program.gz.bin is the gzipped JSON of `compileAheadOfTime` for `PORTABLE`, program-expected.json the records and weights that a
 *   Trainer had after three epochs.
 */
import { describe, expect, it } from "vitest";
import type { Dataset } from "../src/data/dataset.ts";
import { constant } from "../src/graph/tensor.ts";
import * as nn from "../src/nn/index.ts";
import { allclose } from "../src/numbers/allclose.ts";
import { cumsum } from "../src/ops/reduce/cumsum.ts";
import { adam } from "../src/optim/index.ts";
import { openProgram, readProgram } from "../src/replay/index.ts";
import type { Backend, TuneEvent } from "../src/runtime/backend.ts";
import { CpuBackend } from "../src/runtime/cpu/backend.ts";
import type { AnyTrainer } from "../src/train/loop/any-trainer.ts";
import type { History } from "../src/train/loop/events.ts";
import { Trainer } from "../src/train/loop/trainer.ts";
import { resumeFrom } from "../src/train/state/checkpoint-folder.ts";
import { gpuBackend, ownBackend } from "./support/backend.ts";
import { testGpu } from "./support/device.ts";
import { listFixtures, readFixture, readJsonFixture } from "./support/fixtures.ts";
import { MemoryFiles } from "./support/memory-files.ts";

interface Expected {
  readonly epochs: readonly Readonly<Record<"loss" | "accuracy" | "valLoss" | "valAccuracy", number>>[];
  readonly weights: Readonly<Record<string, readonly number[]>>;
}

/** Without a bias before batch norm: its gradient is rounding only, of which Adam makes steps that differ between devices. */
const settings = () => ({
  model: nn.sequential(nn.linear(4, 6, { bias: false }), nn.batchNorm1d(6), nn.relu(), nn.linear(6, 3)),
  loss: nn.crossEntropy(),
  optimizer: adam({ learningRate: 0.02 }),
  batchSize: 8,
  seed: 7,
});

const numbers = (split: string, from: number, count: number): Dataset => ({
  name: "numbers",
  split,
  count,
  inputs: {
    data: Float32Array.from({ length: 4 * count }, (_, i) => (((i + from) * 37) % 101) / 50 - 1),
    shape: [4],
  },
  labels: Int32Array.from({ length: count }, (_, i) => ((i + from) * 5 + (i >> 2)) % 3),
  classes: 3,
});
const train = numbers("train", 0, 40);
const test = numbers("test", 400, 16);

async function unpacked(path: string): Promise<Uint8Array> {
  const packed = new Blob([await readFixture(path)]).stream();
  const stream = packed.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Kernels and optimizers may round otherwise than those of the earlier version. */
const TOLERANCE = { atol: 2e-5, rtol: 1e-4 };

async function expectTrained(trainer: AnyTrainer, { epochs }: History, expected: Expected): Promise<void> {
  const numbersOf = (record: object) =>
    ["loss", "accuracy", "valLoss", "valAccuracy"].map(
      (key) => (record as Record<string, number>)[key] ?? NaN,
    );
  expect(epochs).toHaveLength(expected.epochs.length);
  const close = allclose(epochs.flatMap(numbersOf), expected.epochs.flatMap(numbersOf), TOLERANCE);
  expect(close.mismatches, `records of epochs: ${JSON.stringify(epochs)}`).toBe(0);
  expect([...trainer.parameters.keys()]).toEqual(Object.keys(expected.weights));
  for (const [name, weights] of Object.entries(expected.weights)) {
    const { worst } = allclose(await trainer.parameter(name), weights, TOLERANCE);
    expect(worst, name).toBeLessThanOrEqual(1);
  }
}

describe.each([
  ["the CPU reference", async (): Promise<Backend> => new CpuBackend()],
  ["the GPU", gpuBackend],
])("on %s", (_, open) => {
  it("a file of `save` goes on with its weights, moments and step", async () => {
    const trainer = await Trainer.create(await open(), settings());
    await trainer.fromSafetensors(await readFixture("previous/saved.safetensors"), "saved.safetensors");
    const { saved } = await readJsonFixture<{ saved: Expected & { evaluation: Record<string, number> } }>(
      "previous/expected.json",
    );
    expect(trainer.steps).toBe(10);
    const { loss, accuracy } = await trainer.evaluate(test);
    expect(loss).toBeCloseTo(saved.evaluation.loss as number, 4);
    expect(accuracy).toBe(saved.evaluation.accuracy);
    const history = await trainer.fit(train, { epochs: 2, validation: test });
    await expectTrained(trainer, history, saved);
  });
});

it("a folder of checkpoints goes on to the end of its run", async () => {
  const files = new MemoryFiles();
  for (const path of listFixtures("previous/run")) {
    files.files.set(path.slice("previous/".length), await readFixture(path));
  }
  const trainer = await Trainer.create(new CpuBackend({ files }), settings());
  const resume = await resumeFrom(trainer, "run");
  expect(trainer.steps).toBe(10);
  const checkpoints = { directory: "run", everyEpochs: 1, keep: 9 };
  const fit = { epochs: 4, validation: test, checkpoints, ...(resume && { resume }) };
  const history = await trainer.fit(train, fit);
  const { checkpoints: expected } = await readJsonFixture<{ checkpoints: Expected }>(
    "previous/expected.json",
  );
  await expectTrained(trainer, history, expected);
  expect(await files.list("run")).toHaveLength(4);
});

it("a program compiled ahead of time trains with the losses that it had", async () => {
  const adapter = await (await testGpu()).requestAdapter();
  const trainer = await openProgram(await unpacked("previous/program.gz.bin"), adapter, { seed: 7 });
  const history = await trainer.fit(train, { epochs: 3, validation: test });
  await expectTrained(trainer, history, await readJsonFixture<Expected>("previous/program-expected.json"));
  await trainer.backend.close();
});

it("a recording is refused with what to do", async () => {
  const recording = await readFixture("previous/recording.json");
  expect(() => readProgram(recording, { name: "recording.json" })).toThrow(
    /^recording\.json: .*has format .*compile it again/,
  );
});

it("stored kernel choices are used where the kernels are the same, and otherwise measured again", async () => {
  const text = new TextDecoder().decode(await readFixture("previous/choices.json"));
  const backend = await ownBackend();
  const { adapter } = JSON.parse(text) as { adapter: string };
  const saved: string[] = [];
  const store = {
    place: "memory",
    load: async () => text.replace(adapter, backend.device.identity),
    save: async (_: string, changed: string) => void saved.push(changed),
  };
  const events: TuneEvent[] = [];
  const sums = cumsum(
    cumsum(
      constant(
        Float32Array.from({ length: 240 }, (_, i) => (i % 7) / 7),
        [6, 40],
      ),
      1,
    ),
    0,
  );
  const tune = {
    store,
    onEvent: (event: TuneEvent) => void events.push(event),
    stopwatch: async (_: unknown, times: number) => times,
  };
  const program = await backend.compile({ outputs: [sums] }, { tune });
  expect(events.filter(({ event }) => event === "notice")).toEqual([]);
  const choices = events.flatMap((event) => (event.event === "choice" ? [event] : []));
  expect(choices).toHaveLength(2);
  for (const { source, chosen, usual } of choices) {
    expect(chosen).toBe(source === "stored" ? "shared" : usual);
  }
  expect(saved.length).toBe(choices.some(({ source }) => source === "measured") ? 1 : 0);
  program.run();
  expect((await program.read(sums))[0]).toBe(0);
  await backend.close();
});
