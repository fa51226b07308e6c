/** A run that is resumed with other options or data: refused by name, or well defined and told. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { readSafetensors, writeSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import { adam, adamw, cosine, sgd } from "../../src/optim/index.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { FitOptions, TrainerOptions } from "../../src/train/loop/options.ts";
import { addChecksum, NO_CHECKSUM } from "../../src/train/state/checkpoint.ts";
import { resumeFrom } from "../../src/train/state/checkpoint-folder.ts";
import { FormatError, MismatchError } from "../../src/validation/errors.ts";
import { MemoryFiles } from "../support/memory-files.ts";
import { points, smallTrainer } from "../support/small-run.ts";

const data = points(32);
const checkpoints = { directory: "run" };

afterEach(() => vi.restoreAllMocks());

/** A run of two epochs with a checkpoint, and how to go on with it. */
async function begun(options: Partial<TrainerOptions> = {}, fitting: FitOptions = { epochs: 2 }) {
  const files = new MemoryFiles();
  const trainer = (more: Partial<TrainerOptions>) =>
    smallTrainer(Object.assign(new CpuBackend(), { files }), { ...options, ...more });
  const first = await trainer({});
  await first.fit(data, { ...fitting, checkpoints });
  await first.save("model.safetensors");
  const told: string[] = [];
  const resume = async (more: Partial<TrainerOptions>, train: Dataset, more2: FitOptions = { epochs: 4 }) => {
    const next = await trainer({ onNotice: (line) => told.push(line), ...more });
    const before = await next.toSafetensors();
    try {
      const state = await resumeFrom(next, "run");
      const history = await next.fit(train, { ...more2, resume: state });
      return { next, history };
    } catch (error) {
      if (next.steps === 0) expect(await next.toSafetensors()).toEqual(before);
      throw error;
    }
  };
  return { files, first, trainer, resume, told };
}

/** Changes the record of the only checkpoint as early versions, or a forger, would have written it. */
function rewrite(files: MemoryFiles, change: (record: Record<string, unknown>) => void): void {
  for (const [path, bytes] of files.files) {
    if (!path.startsWith("run/")) continue;
    const { tensors, metadata } = readSafetensors(bytes);
    const record = JSON.parse(metadata.fit as string) as Record<string, unknown>;
    change(record);
    const named = { ...metadata, ...NO_CHECKSUM, fit: JSON.stringify(record) };
    files.files.set(path, addChecksum(writeSafetensors(tensors as never, named)));
  }
}

const net = (hidden: number) => nn.sequential(nn.linear(4, hidden), nn.relu(), nn.linear(hidden, 3));
const values: Dataset = { ...data, labels: Float32Array.from(data.labels) };
const { classes: _, ...regression } = values;

describe("refused, naming both", () => {
  it.each<[string, Partial<TrainerOptions>, Dataset, RegExp]>([
    ["a larger batch", { batchSize: 16 }, data, /batch size: 8 in the checkpoint, 16 here/],
    ["a smaller batch", { batchSize: 4 }, data, /batch size: 8 in the checkpoint, 4 here/],
    ["a batch of as many steps", { batchSize: 9 }, data, /batch size: 8 in the checkpoint, 9 here/],
    ["fewer samples", {}, points(16), /number of samples: 32 in the checkpoint, 16 here/],
    ["more samples", {}, points(40), /number of samples: 32 in the checkpoint, 40 here/],
    ["as many steps of fewer samples", {}, points(31), /number of samples: 32 in the checkpoint, 31 here/],
    [
      "other data",
      {},
      points(32, 1),
      /training data: points\/train with checksum \w{8} in .*checksum \w{8} here/,
    ],
    [
      "other labels",
      {},
      { ...data, labels: data.labels.map((c) => 2 - c) },
      /training data: points\/train with/,
    ],
    ["other classes", {}, { ...data, classes: 4 }, /labels: 3 classes in the checkpoint, 4 classes here/],
    [
      "SGD",
      { optimizer: sgd({ learningRate: 0.01 }) },
      data,
      /optimizer states: m, v in the file, none here/,
    ],
    [
      "AdamW",
      { optimizer: adamw({ learningRate: 0.01 }) },
      data,
      /optimizer: adam in the checkpoint, adamw here/,
    ],
    [
      "averages",
      { optimizer: adam({ learningRate: 0.01, averageDecay: 0.9 }) },
      data,
      /optimizer states: m, v in the file, average, m, v here/,
    ],
    ["no shuffling", { shuffle: false }, data, /shuffle: true in the checkpoint, false here/],
    ["a wider model", { model: net(9) }, data, /0\.weight has shape \[8, 4\], the model expects \[9, 4\]/],
    ["a deeper model", { model: nn.sequential(net(8)) }, data, /lacks 0\.0\.weight/],
    [
      "a regression",
      { loss: nn.mse(), model: nn.sequential(net(8), nn.linear(3, 1)) },
      regression,
      /lacks 0\.0\.w/,
    ],
  ])("%s", async (_, options, train, message) => {
    const { resume } = await begun();
    const error = await resume(options, train).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(MismatchError);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(message);
  });

  it("also with a checkpoint of an earlier version, by shapes, states and epochs", async () => {
    for (const [options, train, message] of [
      [
        { batchSize: 16 },
        data,
        /2 epochs and 0 steps ended at step 8, which is not possible with 2 steps per epoch/,
      ],
      [{}, points(16), /not possible with 2 steps per epoch \(16 samples in batches of 8\)/],
      [{ optimizer: sgd({ learningRate: 0.01 }) }, data, /optimizer states: m, v in the file, none here/],
      [{ model: net(9) }, data, /0\.weight has shape \[8, 4\]/],
    ] as const) {
      const { files, resume } = await begun();
      rewrite(files, (record) => {
        delete record.identity;
        delete record.end;
      });
      await expect(resume(options, train)).rejects.toThrow(message);
      expect((await resume({}, data)).history.epochs).toHaveLength(4);
    }
  });

  it.each<[string, Record<string, unknown>]>([
    ["more steps in an epoch than it has", { totals: { steps: 7, sums: [0, 0, 0, 0, 0] } }],
    ["a begin elsewhere", { begin: 6, evaluatedAt: 6 }],
    ["no epochs", { epochs: [] }],
  ])("a forged record: %s", async (_, change) => {
    const { files, resume } = await begun();
    rewrite(files, (record) => Object.assign(record, change, { identity: undefined }));
    await expect(resume({}, data)).rejects.toThrow(/fit: resume: |other metrics/);
  });

  it("a FitState that a user composed", async () => {
    const { first } = await begun();
    const sums = [0, 0, 0, 0];
    for (const part of [{ begin: -4 }, { begin: 0.5 }, { step: 8, totals: { steps: -3, sums } }]) {
      const resume = {
        ...{
          begin: 0,
          epochs: [],
          evaluations: [],
          evaluatedAt: 0,
          totals: { steps: 0, sums },
          seconds: 0,
          step: 8,
        },
        ...part,
      };
      await expect(first.fit(data, { epochs: 9, resume })).rejects.toThrow(MismatchError);
    }
    expect(first.steps).toBe(8);
  });
});

describe("well defined, and told", () => {
  it("more epochs, fewer epochs, steps in their place", async () => {
    for (const [options, epochs, steps, line] of [
      [{ epochs: 4 }, 4, 16, /the run was to end at step 8, now at 16/],
      [{ epochs: 1 }, 2, 8, /now at 4; it stands at 8 already, nothing is trained/],
      [{ steps: 10 }, 3, 10, /now at 10/],
    ] as const) {
      const { resume, told } = await begun();
      const { next, history } = await resume({}, data, options);
      expect([history.epochs.length, next.steps]).toEqual([epochs, steps]);
      expect(told).toEqual([expect.stringMatching(line)]);
    }
    const { resume, told } = await begun();
    await resume({}, { ...data, name: "the same under another name" }, { epochs: 2 });
    expect(told).toEqual([]);
  });

  it("a run of `steps` continues within its epoch", async () => {
    const { resume } = await begun({}, { steps: 6 });
    const { next, history } = await resume({}, data, { steps: 13 });
    expect(next.steps).toBe(13);
    expect(history.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
    const straight = await smallTrainer(new CpuBackend());
    await straight.fit(data, { steps: 13 });
    expect(await next.toSafetensors()).toEqual(await straight.toSafetensors());
  });

  it("another learning rate, another schedule, another seed", async () => {
    const rate = await begun();
    const { next } = await rate.resume({ optimizer: adam({ learningRate: 0.5 }) }, data);
    expect(rate.told[0]).toMatch(/the learning rate is 0\.5 from here on, 0\.01 in the checkpoint/);
    const { history } = await rate.resume({}, data);
    expect(history.epochs.at(-1)?.learningRate).toBeCloseTo(0.01);
    expect(await next.parameter("0.weight")).not.toEqual(await rate.first.parameter("0.weight"));

    const set = await begun({}, { epochs: 2, callbacks: [] });
    set.first.setLearningRate(0.25);
    await set.first.fit(data, { checkpoints });
    const kept = await set.resume({ optimizer: adam({ learningRate: 0.5 }) }, data, { epochs: 2 });
    expect(set.told[0]).toMatch(
      /the learning rate 0\.25 that was set during the run goes on, not this optimizer's 0\.5/,
    );
    expect(kept.history.epochs.at(-1)?.learningRate).toBe(0.25);

    const optimizer = (steps: number) => ({
      optimizer: adam({ learningRate: cosine({ learningRate: 0.1, steps }) }),
    });
    const schedule = await begun(optimizer(8));
    await schedule.resume({ ...optimizer(16), seed: 5 }, data);
    expect(schedule.told).toEqual([
      expect.stringMatching(/seed 1 go on, not those of seed 5/),
      expect.stringMatching(/the learning rate's schedule is another one/),
      expect.stringMatching(/was to end at step 8, now at 16/),
    ]);
  });

  it("a saved file of another optimizer, of other batches", async () => {
    const { trainer, told } = await begun({}, { steps: 5 });
    const onNotice = (line: string) => void told.push(line);
    const other = await trainer({
      optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
      batchSize: 16,
      onNotice,
    });
    await other.load("model.safetensors");
    expect(told).toEqual([
      expect.stringMatching(/model\.safetensors: another optimizer states: m, v in the file, velocity here/),
    ]);
    const { epochs } = await other.fit(data, { epochs: 2 });
    expect(told[1]).toMatch(/5 steps so far went over 32 samples in batches of 8, .* begins at step 1 of 2/);
    expect([epochs.length, other.steps]).toEqual([2, 8]);
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const same = await trainer({});
    await same.load("model.safetensors");
    await same.fit(data, { epochs: 2 });
    expect([same.steps, warn.mock.calls]).toEqual([12, []]);
  });
});

it("a checkpoint may be named by its file", async () => {
  const { files, trainer } = await begun();
  const next = await trainer({});
  const [path] = [...files.files.keys()].filter((name) => name.startsWith("run/")).sort();
  const state = await resumeFrom(next, path as string);
  expect([state?.step, next.steps]).toEqual([4, 4]);
  await expect(trainer({ batchSize: 16 }).then((t) => resumeFrom(t, path as string))).rejects.toThrow(
    MismatchError,
  );
});

it("steps are counted up to 2^31 - 1; a run that would exceed that rejects", async () => {
  const { first } = await begun();
  const { tensors, metadata } = readSafetensors(await first.toSafetensors());
  const at = (step: number) =>
    writeSafetensors(
      [...tensors].map(([name, tensor]) =>
        name === "trainer.step" ? [name, { shape: [1], data: Uint32Array.of(step) }] : [name, tensor],
      ) as never,
      metadata,
    );
  await expect(first.fromSafetensors(at(2 ** 31))).rejects.toThrow(/the limit is 2147483647/);
  await first.fromSafetensors(at(2 ** 31 - 3));
  await expect(first.fit(data, { epochs: 3 })).rejects.toThrow(/at most 2147483647 steps/);
  expect(first.steps).toBe(2 ** 31 - 1);
  await expect(first.fit(data)).rejects.toThrow(/at most 2147483647 steps/);
});
