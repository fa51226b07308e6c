/**
 * Streams of samples: finite ones epoch by epoch, endless ones by steps; samples are pulled as needed, iterators end with the fit,
 * and their errors reject it.
 */
import { describe, expect, it } from "vitest";
import {
  fromGenerator,
  type SampleStream,
  type StreamItem,
  type StreamSource,
} from "../../src/data/stream.ts";
import { input, state, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { mse } from "../../src/ops/loss/mean-losses.ts";
import { sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import { StreamedDataset } from "../../src/train/input/shard-loader.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import type { StepBatch } from "../../src/train/step/phase.ts";
import { DataError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { testGpu } from "../support/device.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

const columns = { id: { dtype: "i32" }, x: { shape: [2] } } as const;
const sampleOf = (i: number): StreamItem => ({ id: i, x: [i, 0 - i] });

/** Numbered samples from `start` on, up to `end`; counts what is pulled, and whether the iterator was returned to. */
function watched(end = Number.POSITIVE_INFINITY, wait = false) {
  const seen = { begun: 0, pulled: 0, returned: 0 };
  async function* source(start: number) {
    seen.begun++;
    try {
      for (let i = start; i < end; i++) {
        if (wait) await new Promise((resolve) => setTimeout(resolve, 0));
        seen.pulled++;
        yield sampleOf(i);
      }
    } finally {
      seen.returned++;
    }
  }
  return { source, seen };
}

/** The ids of the rows that count, by step. */
async function walk(backend: Backend, stream: SampleStream, steps: number, batchSize: number, first = 0) {
  const data = new StreamedDataset(stream, batchSize, 1e6, 1e6);
  const [step, key] = [state([1], 0, "u32", "step"), input([2], "u32", "key")];
  const { columns: made, weights } = data.columns(step, key);
  const { id, x } = made as Record<"id" | "x", Tensor>;
  const program = await backend.compile({ outputs: [id, x, weights] });
  backend.write(key, Uint32Array.of(3, 4));
  const ready = data.loader(backend, async () => [3, 4]).begin();
  const ids: number[][] = [];
  for (let s = first; s < first + steps; s++) {
    await ready(s);
    backend.write(step, Uint32Array.of(s));
    program.run();
    const [i, values, w] = [await program.read(id), await program.read(x), await program.read(weights)];
    i.forEach((n, b) => {
      expect([values[2 * b], values[2 * b + 1]]).toEqual([n, 0 - n]);
    });
    ids.push(Array.from(i).filter((_, b) => w[b] === 1));
  }
  return ids;
}

const sorted = (ids: readonly number[][]) => ids.flat().sort((a, b) => a - b);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe.each(backends)("on the %s", (_, open) => {
  it("a finite stream gives each sample once per epoch, shuffled within halves of the buffer", async () => {
    const { source, seen } = watched(45);
    const stream = fromGenerator(source, { columns, count: 45, capacity: 16 });
    const ids = await walk(await open(), stream, 24, 4);
    const epochs = [ids.slice(0, 12), ids.slice(12)];
    for (const epoch of epochs) expect(sorted(epoch)).toEqual(range(0, 45));
    expect(sorted(ids.slice(0, 2))).toEqual(range(0, 8));
    expect(ids[0]).not.toEqual(range(0, 4));
    expect(epochs[1]).not.toEqual(epochs[0]);
    expect([seen.begun, seen.returned, seen.pulled]).toEqual([2, 2, 90]);
  });

  it("an endless stream goes on, and is pulled no more than its capacity ahead", async () => {
    const { source, seen } = watched();
    const stream = fromGenerator(source, { columns, capacity: 16 });
    const ids = await walk(await open(), stream, 30, 4);
    expect(sorted(ids)).toEqual(range(0, 120));
    expect(seen.begun).toBe(1);
    expect(seen.pulled).toBeLessThanOrEqual(120 + 16);
  });

  it("an endless stream over a source that ends begins it again; items may be batches of any size", async () => {
    const { seen } = watched();
    function* source() {
      seen.begun++;
      yield { id: Int32Array.of(0, 1, 2), x: Float32Array.of(0, 0, 1, -1, 2, -2) };
      yield { id: [3], x: [3, -3] };
      yield { id: [4, 5], x: [4, -4, 5, -5] };
    }
    const stream = fromGenerator(source, { columns, capacity: 8, batches: true });
    const ids = await walk(await open(), stream, 6, 4);
    const expected = range(0, 24).map((i) => i % 6);
    expect(sorted(ids)).toEqual(expected.sort((a, b) => a - b));
    expect(seen.begun).toBeGreaterThan(3);
  });

  it("a seekable stream begins where a run goes on", async () => {
    const options = { columns, capacity: 16, seekable: true };
    const whole = await walk(await open(), fromGenerator(watched().source, options), 12, 4);
    const { source, seen } = watched();
    expect(await walk(await open(), fromGenerator(source, options), 6, 4, 6)).toEqual(whole.slice(6));
    expect(seen.pulled).toBeLessThanOrEqual(24 + 16);
  });
});

/** Learns y = w x; the gradient sees which samples came. */
const make = async (backend: Backend, more = {}) => {
  const model = nn.linear(2, 1, { bias: false });
  return Trainer.create(backend, {
    model,
    optimizer: sgd({ learningRate: 1e-5 }),
    batchSize: 4,
    step: ({ weights, ...batch }: StepBatch) => {
      const { x } = batch as Record<string, Tensor>;
      return { loss: mse(model.forward(x as Tensor), mul(model.forward(x as Tensor), 0), { weights }) };
    },
    ...more,
  });
};

describe.each(backends)("a fit on the %s", (_, open) => {
  it("of a finite stream takes epochs, and returns to the iterator", async () => {
    const { source, seen } = watched(45, true);
    const trainer = await make(await open());
    const stream = fromGenerator(source, { columns, count: 45, capacity: 16 });
    const history = await trainer.fit(stream, { epochs: 2, validation: stream });
    expect(history.epochs.length).toBe(2);
    expect(trainer.steps).toBe(24);
    expect(seen.returned).toBe(seen.begun);
    expect((await trainer.evaluate(stream)).loss).toBeGreaterThan(0);
    expect(seen.returned).toBe(seen.begun);
  });

  it("of an endless stream takes steps, and the next fit goes on with fresh samples", async () => {
    const { source, seen } = watched(Number.POSITIVE_INFINITY, true);
    const trainer = await make(await open());
    const stream = fromGenerator(source, { columns, capacity: 16 });
    await trainer.fit(stream, { steps: 7 });
    expect([trainer.steps, seen.begun]).toEqual([7, 1]);
    // The iterator ends once the sample that it waits for is there.
    await expect.poll(() => seen.returned).toBe(1);
    expect(seen.pulled).toBeLessThanOrEqual(28 + 16);
    await trainer.fit(stream, { steps: 5 });
    expect([trainer.steps, seen.begun]).toEqual([12, 2]);
    await expect.poll(() => seen.returned).toBe(2);
  });

  it("ends its iterator where the loop is left, and where it is aborted", async () => {
    const { source, seen } = watched();
    const trainer = await make(await open());
    const stream = fromGenerator(source, { columns, capacity: 16 });
    for await (const event of trainer.fit(stream, { steps: 100_000 })) if (event.event === "progress") break;
    expect(seen.returned).toBe(1);
    const control = new AbortController();
    const run = trainer.fit(stream, { steps: 100_000, signal: control.signal });
    setTimeout(() => control.abort(), 50);
    expect((await run).aborted).toBe(true);
    expect(seen.returned).toBe(2);
  });

  it("rejects with what the iterator throws", async () => {
    const trainer = await make(await open());
    const failing = async function* () {
      for (let i = 0; ; i++) {
        if (i === 50) throw new RangeError("the camera was unplugged");
        yield sampleOf(i);
      }
    };
    const stream = fromGenerator(failing, { columns, capacity: 16 });
    await expect(trainer.fit(stream, { steps: 100 })).rejects.toThrow("the camera was unplugged");
    await trainer.fit(stream, { steps: 2 });
  });
});

describe("refuses", () => {
  const endless = () => fromGenerator(watched().source, { columns, capacity: 16 });

  it("epochs, evaluation and resume of an endless stream", async () => {
    const trainer = await make(new CpuBackend());
    for (const options of [{}, { epochs: 3 }]) {
      expect(() => trainer.fit(endless(), options)).toThrow(
        /fit: data set stream\/all is endless; give the training steps as `steps`, not epochs/,
      );
    }
    expect(() => trainer.fit(endless(), { steps: 3, validation: endless() })).toThrow(
      /fit: validation: .* endless/,
    );
    await expect(trainer.evaluate(endless())).rejects.toThrow(
      /evaluate: .* endless; give its samples per pass/,
    );
    expect(() => trainer.fit(endless(), { steps: 3, resume: {} as never })).toThrow(
      /fit: resume: data set stream\/all can't be read again/,
    );
  });

  it("going back in an endless stream", async () => {
    const stream = endless();
    await stream.read(0, 8);
    await expect(stream.read(0, 8)).rejects.toThrow(/stands at sample 8, and sample 0 went by/);
    await stream.close();
    expect(Array.from((await stream.read(40, 2)).id!)).toEqual([0, 1]);
  });

  it("a pass that is shorter than `count`, and a generator that is used up", async () => {
    const short = fromGenerator(watched(10).source, { columns, count: 12 });
    await expect(short.read(0, 12)).rejects.toThrow(
      /ended after 10 of 12 samples; give their number as `count`/,
    );
    const once = watched(4).source(0);
    const used = fromGenerator(once, { columns });
    await expect(used.read(0, 5)).rejects.toThrow(
      /ended at sample 4 and gave none when begun again; give a function/,
    );
    const again = fromGenerator([sampleOf(0), sampleOf(1)], { columns });
    expect(Array.from((await again.read(0, 5)).id!)).toEqual([0, 1, 0, 1, 0]);
  });

  it("a capacity of less than two batches", async () => {
    const trainer = await make(new CpuBackend());
    const stream = fromGenerator(watched().source, { columns, capacity: 7 });
    await expect(trainer.fit(stream, { steps: 1 })).rejects.toThrow(
      /a capacity of 7 samples holds no two parts of 4; give a capacity of at least 8/,
    );
  });

  it.each([
    ["no sample", 7, /sample 1: must be an object with a value for each column, got 7/],
    ["no value", { id: 1 }, /sample 1: column "x" must be 2 numbers \(\[2\]\), got undefined/],
    ["too many values", { id: 1, x: [1, 2, 3] }, /column "x" must be 2 numbers/],
    ["another column", { id: 1, x: [1, 2], y: 0 }, /has "y", which is no column; there are id, x/],
    ["a fraction as i32", { id: 1.5, x: [1, 2] }, /column "id" of i32 can't hold 1.5/],
    ["BigInt", { id: 1, x: [1n, 2n] }, /sample 1: column "x" of f32 can't hold 1n/],
    ["a symbol", { id: 1, x: [Symbol("s"), 2] }, /sample 1: column "x" of f32 can't hold Symbol/],
    ["text", { id: 1, x: ["1", "2"] }, /column "x" of f32 can't hold "1"/],
  ])("samples: %s", async (_, item, message) => {
    const source = () => [sampleOf(0), item] as StreamItem[];
    const error = await fromGenerator(source, { columns })
      .read(0, 2)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(message);
  });

  it.each([
    ["a number as source", 7, { columns }, /needs a generator function or an iterable of samples, got 7/],
    ["no columns", [], {}, /columns is missing/],
    ["columns of none", [], { columns: {} }, /has no columns/],
    [
      "an unknown dtype",
      [],
      { columns: { x: { dtype: "f64" } } },
      /dtype must be one of u8, f32, i32, u32, got "f64"/,
    ],
    ["a count of 0", [], { columns, count: 0 }, /count must be a whole number of at least 1, got 0/],
    ["half a capacity", [], { columns, capacity: 1.5 }, /capacity must be a whole number/],
    ["a seekable array", [], { columns, seekable: true }, /a seekable source is a function/],
  ])("%s", (_, source, options, message) => {
    expect(() => fromGenerator(source as StreamSource, options as never)).toThrow(message);
  });
});

describe("a lost device", () => {
  const run = async (options: object, lose: boolean) => {
    const opened: GpuBackend[] = [];
    const open = async (): Promise<GpuBackend> => {
      const adapter = await (await testGpu()).requestAdapter();
      const backend = await GpuBackend.open(adapter as GPUAdapter, { reopen: open });
      opened.push(backend);
      return backend;
    };
    try {
      const trainer = await make(await open(), { onNotice: () => undefined, stepsPerSubmit: 2 });
      let pulled = 0;
      function* source(start: number) {
        for (let i = start; ; i++) {
          // While samples of the second half of the run are filled in.
          if (lose && ++pulled === 60) opened[0]!.device.raw.destroy();
          yield sampleOf(i);
        }
      }
      const stream = fromGenerator(source, { columns, capacity: 16, ...options });
      await trainer.fit(stream, { steps: 20 });
      expect(opened).toHaveLength(lose ? 2 : 1);
      return Array.from(await trainer.parameter("weight"));
    } finally {
      for (const backend of opened) await backend.close();
    }
  };

  it.each([
    ["seekable", { seekable: true }],
    ["finite", { count: 1000 }],
  ])("does not change what a %s stream trains", async (_, options) => {
    expect(await run(options, true)).toEqual(await run(options, false));
  });

  it("rejects the fit of an endless stream, whose samples went by", async () => {
    await expect(run({}, true)).rejects.toThrow(
      /went by: an endless stream can't be read again, after a lost device/,
    );
  });
});
