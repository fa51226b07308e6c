/** Training from files larger than what may be in memory: 41 MB through 4 MB, and what files can do wrong. */
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect, it } from "vitest";
import { shardedRaw } from "../../src/data/formats/sharded-files.ts";
import { loadSharded } from "../../src/data/sharded.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { fileBytes } from "../../src/node/files/plain-file.ts";
import { slice } from "../../src/ops/shape/slice.ts";
import { sgd } from "../../src/optim/index.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { DataError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const SHAPE = [3, 32, 32];
const SAMPLE = 3072;
const COUNT = 13_500;
const LIMIT = 4 * 2 ** 20;
const MB = 2 ** 20;

/** What is tested is how data come; a model of few pixels costs next to nothing. */
const fewPixels = { forward: (x: Tensor) => slice(x, [], [x.shape[0] as number, 3, 1, 4]) };

let folder = "";
const path = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-file-bytes-"));
  const images = await open(path("images"), "w");
  const some = new Uint8Array(500 * SAMPLE);
  for (let first = 0; first < COUNT; first += 500) {
    // Each sample is told from the others by its brightness and its first pixels.
    for (let i = 0; i < 500; i++) {
      some.fill((first + i) % 251, i * SAMPLE, (i + 1) * SAMPLE);
      some[i * SAMPLE] = (first / 500) * 9;
    }
    await images.write(some);
  }
  await images.close();
  await writeFile(
    path("labels"),
    Uint8Array.from({ length: COUNT }, (_, i) => (i % 251) % 10),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const openData = async () =>
  shardedRaw(
    {
      inputs: { source: await fileBytes(path("images")), dtype: "u8" },
      labels: { source: await fileBytes(path("labels")), dtype: "u8" },
    },
    { shape: SHAPE, classes: 10 },
  );

it("trains and evaluates a file of 41 MB in 4 MB, and all of its samples count", async () => {
  const file = await openData();
  expect(file.count * SAMPLE).toBeGreaterThan(39 * MB);
  const reads: number[] = [];
  const read: typeof file.read = (start, count) => {
    reads.push(count);
    // When the engine collects by itself depends on what else keeps the processors busy.
    collectGarbage();
    return file.read(start, count);
  };
  const make = async (maxResidentBytes?: number) =>
    Trainer.create(await gpuBackend(), {
      model: nn.sequential(fewPixels, nn.flatten(), nn.linear(12, 10)),
      loss: nn.crossEntropy(),
      optimizer: sgd({ learningRate: 0.01 }),
      batchSize: 250,
      evalBatchSize: 250,
      seed: 2,
      ...(maxResidentBytes === undefined ? {} : { maxResidentBytes }),
    });
  const trainer = await make(LIMIT);
  const { program } = await trainer.trainProgram(file);
  expect(program.describe().stateBytes).toBeLessThan(LIMIT + MB);
  const data = { ...file, read };
  // Pipelines and pools are made before anything is measured.
  await trainer.fit(data, { steps: 10 });
  await trainer.evaluate(data);
  reads.length = 0;
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 5);
  await trainer.fit(data, { steps: 2 * 54 });
  const { loss, accuracy } = await trainer.evaluate(data);
  clearInterval(watch);
  console.info(
    `${reads.length} reads of at most ${Math.max(...reads)} samples; ${((most - before) / MB).toFixed(0)} MB more memory`,
  );
  expect(Math.max(...reads) * (SAMPLE + 4)).toBeLessThanOrEqual(LIMIT / 2);
  // 120 MB went through.
  expect(most - before).toBeLessThan(70 * MB);
  const resident = await make();
  await resident.fromSafetensors(await trainer.toSafetensors());
  const whole = await resident.evaluate(await loadSharded(file));
  expect(accuracy).toBe(whole.accuracy);
  expect(loss).toBeCloseTo(whole.loss, 6);
});

it("names a file that is not there, is none, or has become shorter", async () => {
  await expect(fileBytes(path("nothing"))).rejects.toThrow(DataError);
  await expect(fileBytes(path("nothing"))).rejects.toThrow(/nothing: can't be read: ENOENT/);
  await expect(fileBytes(folder)).rejects.toThrow(/it is a folder, not a file/);
  await writeFile(path("short"), new Uint8Array(40));
  const source = await fileBytes(path("short"));
  const labels = { source: await fileBytes(path("short")), dtype: "u8" } as const;
  const data = await shardedRaw({ inputs: { source, dtype: "u8" }, labels }, { shape: [1], classes: 10 });
  await truncate(path("short"), 30);
  const trainer = await Trainer.create(new CpuBackend(), {
    model: nn.linear(1, 10),
    loss: nn.crossEntropy(),
    optimizer: sgd({ learningRate: 0.1 }),
    batchSize: 4,
  });
  await expect(trainer.evaluate(data)).rejects.toThrow(
    /short: truncated, expected 40 bytes from byte 0 on, got 30/,
  );
  await rm(path("short"));
  await expect(trainer.evaluate(data)).rejects.toThrow(/short: can't be read: ENOENT/);
});
