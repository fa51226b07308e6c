/**
 * Tuning on the device with a simulated clock, so that the right choice is known: the faster kernel, never a wrong one; stored
 * and not timed again; training with it gives the same results.
 */
import { describe, expect, it } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { constant, state, type Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { Random } from "../../src/numbers/random.ts";
import { conv2d } from "../../src/ops/conv/conv2d.ts";
import { linearBackwardOp } from "../../src/ops/linalg/linear.ts";
import { batchNorm, layerNorm } from "../../src/ops/norm/normalize.ts";
import { updateRunningStats } from "../../src/ops/norm/running-stats.ts";
import { argmax } from "../../src/ops/reduce/argmax.ts";
import { cumsum } from "../../src/ops/reduce/cumsum.ts";
import { adam } from "../../src/optim/index.ts";
import { sourceOf } from "../../src/plan/image.ts";
import type { Backend, Program, TuneEvent, TuneOptions, TuneStore } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import type { GpuProgram } from "../../src/runtime/gpu/program.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { gpuBackend } from "../support/backend.ts";
import { brokenBackend, offByAThousandth } from "../support/broken-kernels.ts";

/** File and entry of each dispatch: `softmax.wgsl:rows`. */
const entriesOf = (program: Program) => {
  const { image } = program as GpuProgram;
  return image.dispatches.map(({ kernel }) => {
    const { file, entry } = sourceOf(image, kernel);
    return `${file}:${entry}`;
  });
};

interface Watched {
  readonly options: TuneOptions;
  /** How often the clock was called. */
  timed: number;
  readonly events: TuneEvent[];
}

/** Tuning with a clock on which every kernel takes `cost[entry]` milliseconds, by default 1. */
function byClock(cost: Readonly<Record<string, number>>, store: TuneStore | null = null): Watched {
  const watched: Watched = {
    timed: 0,
    events: [],
    options: {
      store,
      onEvent: (event) => void watched.events.push(event),
      stopwatch: async (program, times) => {
        watched.timed++;
        return times * entriesOf(program).reduce((sum, entry) => sum + (cost[entry] ?? 1), 0);
      },
    },
  };
  return watched;
}

function memoryStore(): TuneStore & { readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return {
    texts,
    place: "memory",
    load: async (adapter) => texts.get(adapter),
    save: async (adapter, text) => void texts.set(adapter, text),
  };
}

const drawn = (seed: number, shape: readonly number[]) => {
  const random = new Random(seed, 0);
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.uniform() - 0.5);
  return constant(data, shape);
};

/** Two running sums, along either axis, whose default variant is not the shared one. */
const graph = (): Tensor => cumsum(cumsum(drawn(1, [6, 40]), 1), 0);

const compile = async (tune: TuneOptions, variants: Readonly<Record<string, string>> = {}) =>
  (await gpuBackend()).compile({ outputs: [graph()] }, { tune, variants });

const choicesOf = ({ events }: Watched) => events.flatMap((e) => (e.event === "choice" ? [e] : []));
const CHOSEN = { usual: "rows", chosen: "shared", ratio: 0.4 };
const endOf = ({ events }: Watched) => events.find((e) => e.event === "tuned");

const USUAL = ["cumsum.wgsl:rows", "cumsum.wgsl:rows"];
const SHARED = ["cumsum.wgsl:sharedRows", "cumsum.wgsl:sharedRows"];
const SHARED_FAST = { "cumsum.wgsl:sharedRows": 0.4 };

describe("a graph", () => {
  it("gets the kernels that are faster on the clock, and computes the same", async () => {
    const backend = await gpuBackend();
    const tensor = graph();
    const clock = byClock(SHARED_FAST);
    const usual = await backend.compile({ outputs: [tensor] });
    const tuned = await backend.compile({ outputs: [tensor] }, { tune: clock.options });
    expect([entriesOf(usual), entriesOf(tuned)]).toEqual([USUAL, SHARED]);
    expect(choicesOf(clock)).toMatchObject([CHOSEN, CHOSEN]);
    expect(endOf(clock)).toMatchObject({ measured: 2, stored: 0, run: { kept: true } });
    usual.run();
    tuned.run();
    const [expected, actual] = [await usual.read(tensor), await tuned.read(tensor)];
    expect(Math.max(...expected)).toBeGreaterThan(0.1);
    actual.forEach((v, i) => {
      expect(Math.abs(v - expected[i]!)).toBeLessThan(1e-4);
    });
  });

  it("keeps its own kernels where those are the fastest", async () => {
    const clock = byClock({ "cumsum.wgsl:sharedRows": 0.95 });
    expect(entriesOf(await compile(clock.options))).toEqual(USUAL);
    expect(endOf(clock)).toMatchObject({ measured: 2, run: undefined });
  });

  it("keeps them where the new ones are slower as a whole, and remembers that", async () => {
    const store = memoryStore();
    const alone = byClock(SHARED_FAST, store);
    const stopwatch: TuneOptions["stopwatch"] = async (program, times) =>
      entriesOf(program).join() === SHARED.join() ? 5 * times : alone.options.stopwatch!(program, times);
    expect(entriesOf(await compile({ ...alone.options, stopwatch }))).toEqual(USUAL);
    expect(endOf(alone)).toMatchObject({ run: { kept: false, usual: 2, chosen: 5 } });
    const again = byClock({}, store);
    expect(entriesOf(await compile(again.options))).toEqual(USUAL);
    expect(again.timed).toBe(0);
  });

  it("keeps variants that the user forces", async () => {
    const clock = byClock({ "cumsum.wgsl:rows": 0.1 });
    expect(entriesOf(await compile(clock.options, { cumsum: "shared" }))).toEqual(SHARED);
    expect(clock.timed).toBe(0);
  });

  it("compares kernels also where the sums of a gradient cancel out", async () => {
    const [N, OUT] = [32, 4];
    const random = new Random(4, 0);
    const dy = Float32Array.from({ length: N * OUT }, () => random.uniform() - 0.5);
    for (let o = 0; o < OUT; o++) {
      const rest = dy.filter((_, i) => i % OUT === o).reduce((a, b) => a + b, 0) - dy[o]!;
      dy[o] = -rest;
    }
    const needs = { needsX: false, needsW: false, needsB: true, extra: 0 };
    const inputs = [drawn(5, [N, 8]), drawn(6, [OUT, 8]), constant(dy, [N, OUT])];
    const outputs = [linearBackwardOp.apply(inputs, needs)[2]!];
    const clock = byClock({});
    await (await gpuBackend()).compile({ outputs }, { tune: clock.options });
    const [{ variants = {} } = {}] = choicesOf(clock);
    expect(Object.keys(variants).length).toBeGreaterThan(0);
    for (const [name, outcome] of Object.entries(variants)) expect(outcome, name).toBeTypeOf("number");
  });

  it("keeps the states that nodes before the timed ones change", async () => {
    const gpu = await gpuBackend();
    const [mean, variance, count] = [state([5]), state([5], 1), state([], 0, "i32")];
    const batch = batchNorm(drawn(4, [8, 5, 3]));
    const update = updateRunningStats({ mean, variance, count }, { ...batch, samples: 24 });
    const { options, events } = byClock({});
    const program = await gpu.compile(
      { outputs: [layerNorm(batch.y, 3)], updates: [update] },
      { tune: options },
    );
    expect(events.at(-1)).toMatchObject({ event: "tuned", measured: 2 });
    const values = async () => (await gpu.readAll([mean, variance, count])).map((data) => data[0]);
    expect(await values()).toEqual([0, 1, 0]);
    program.run();
    expect((await values())[2]).toBe(1);
  });

  it("does not try a variant that was many times slower for all nodes before", async () => {
    const outputs = [5, 6, 7, 8, 9].map((n) => cumsum(drawn(n, [n, 3]), 0));
    const clock = byClock({ "cumsum.wgsl:sharedRows": 12 });
    await (await gpuBackend()).compile({ outputs }, { tune: clock.options });
    const shared = choicesOf(clock).map(({ variants }) => variants.shared);
    const untried = expect.stringMatching(/^not tried/);
    expect(shared).toEqual([12, 12, 12, untried, untried]);
  });

  it("never gets a kernel that computes something else or does not compile, however fast", async () => {
    const damage: Readonly<Record<string, (code: string) => string>> = {
      "im2col.wgsl": (code) => offByAThousandth(code.replace(/\/\/.*/g, "")),
      "direct-conv.wgsl": (code) => `${code}\nfn broken() { return 1 }`,
    };
    const backend = await brokenBackend((file, code) => damage[file]?.(code) ?? code);
    try {
      const clock = byClock({
        "im2col.wgsl:im2col": 0.1,
        "matmul.wgsl:subgroupTile": 0.1,
        "matmul-vector.wgsl:subgroupTile": 0.1,
        "matmul-vector.wgsl:smallSharedMemoryTile": 0.1,
        "direct-conv.wgsl:forward": 0.1,
      });
      const outputs = [conv2d(drawn(1, [2, 3, 9, 8]), drawn(2, [5, 3, 3, 3]))];
      const program = await backend.compile({ outputs }, { tune: clock.options });
      expect(entriesOf(program).join()).not.toMatch(/im2col|direct-conv/);
      const [{ variants = {} } = {}] = choicesOf(clock);
      expect(variants.im2col).toMatch(/\d+ of 420 values of \[2, 5, 7, 6\] differ from the default's/);
      expect(variants.direct).toMatch(/direct-conv\.wgsl/);
    } finally {
      await backend.close();
    }
  });
});

describe("a store", () => {
  it("makes the second compilation time nothing and take the same kernels", async () => {
    const store = memoryStore();
    expect(entriesOf(await compile(byClock(SHARED_FAST, store).options))).toEqual(SHARED);
    const clock = byClock({}, store);
    expect(entriesOf(await compile(clock.options))).toEqual(SHARED);
    expect(clock.timed).toBe(0);
    expect(endOf(clock)).toMatchObject({ measured: 0, stored: 2, place: "memory" });
    expect(choicesOf(clock)).toMatchObject([{ ...CHOSEN, source: "stored" }, CHOSEN]);

    const anew = byClock({}, store);
    expect(entriesOf(await compile({ ...anew.options, renew: true }))).toEqual(USUAL);
    expect([...store.texts.values()].join()).not.toContain('"shared"');
  });

  it("keeps earlier choices beside new ones", async () => {
    const store = memoryStore();
    await compile(byClock(SHARED_FAST, store).options);
    const outputs = [cumsum(cumsum(drawn(1, [6, 40]), 1), 1), argmax(drawn(2, [5, 300]), 1)];
    const clock = byClock({}, store);
    await (await gpuBackend()).compile({ outputs }, { tune: clock.options });
    expect(endOf(clock)).toMatchObject({ measured: 1, stored: 1 });
    const again = byClock({}, store);
    expect(entriesOf(await compile(again.options))).toEqual(SHARED);
    expect(again.timed).toBe(0);
  });

  const change = (edit: (stored: Record<string, unknown>) => unknown) => (text: string) =>
    JSON.stringify(edit(JSON.parse(text) as Record<string, unknown>));
  it.each([
    ["of another version", change((stored) => ({ ...stored, weft: "0.0.1" })), 0],
    ["of another adapter", change((stored) => ({ ...stored, adapter: "another" })), 0],
    ["of other shaders", (text: string) => text.replace(/"fingerprint": "./g, '"fingerprint": "-'), 0],
    ["cut short", (text: string) => text.slice(0, -40), 1],
    ["of something else", () => '{"choices": {"conv2d": 5}}', 1],
    ["empty", () => "null", 1],
  ])("%s counts for nothing", async (_, edit, notices) => {
    const store = memoryStore();
    await compile(byClock(SHARED_FAST, store).options);
    const [[adapter, text]] = [...store.texts] as [[string, string]];
    store.texts.set(adapter, edit(text));
    const clock = byClock({}, store);
    expect(entriesOf(await compile(clock.options))).toEqual(USUAL);
    expect(clock.timed).toBeGreaterThan(0);
    expect(clock.events.filter((e) => e.event === "notice")).toHaveLength(notices);
    expect(JSON.parse(store.texts.get(adapter) as string)).toMatchObject({ adapter });
  });

  it("that can't be read or written causes only a notice", async () => {
    const fails = () => Promise.reject(new Error("no room"));
    const clock = byClock(SHARED_FAST, { place: "nowhere", load: fails, save: fails });
    expect(entriesOf(await compile(clock.options))).toEqual(SHARED);
    const notices = clock.events.flatMap((e) => (e.event === "notice" ? e.message : []));
    expect(notices).toHaveLength(2);
    for (const notice of notices) expect(notice).toContain("no room");
  });
});

describe("training", () => {
  const { train } = syntheticDigits({ seed: 3, train: 60, test: 1 });
  // Forced, so that few kernels are compiled.
  const variants = { linear: "register", linearBackward: "register" };
  const losses = async (backend: Backend, tune: false | TuneOptions, steps = 6) => {
    const trainer = await Trainer.create(backend, {
      model: nn.sequential(nn.flatten(), nn.linear(784, 10)),
      variants,
      loss: nn.crossEntropy(),
      optimizer: adam({ learningRate: 1e-2 }),
      batchSize: 12,
      seed: 7,
      tune,
    });
    const runner = trainer.runner(await trainer.trainProgram(train));
    while (runner.position < steps) await runner.advance(steps - runner.position);
    return (await runner.collect()).map(([row]) => row?.[0] as number);
  };

  it("with other kernels gives the losses of the CPU reference, and from the store the same bits", async () => {
    const store = memoryStore();
    const clock = byClock({ "cross-entropy.wgsl:single": 9 }, store);
    const gpu = await losses(await gpuBackend(), clock.options);
    const changed = choicesOf(clock).filter(({ usual, chosen }) => usual !== chosen);
    expect(changed.map(({ op }) => op)).toEqual(["crossEntropy"]);
    const cpu = await losses(new CpuBackend(), clock.options);
    expect(gpu).toHaveLength(6);
    gpu.forEach((loss, i) => {
      expect(Math.abs(loss / cpu[i]! - 1), `step ${i + 1}`).toBeLessThan(1e-3);
    });
    expect(await losses(await gpuBackend(), byClock({}, store).options)).toEqual(gpu);
  });

  it("starts from the same states although steps were timed before", async () => {
    const backend = await gpuBackend();
    const usual = await losses(backend, false);
    const running: TuneOptions["stopwatch"] = async (program, times) => {
      program.run(times);
      return times;
    };
    expect(await losses(backend, { store: null, stopwatch: running })).toEqual(usual);
  });
});

it("a program measures a time above 0", async () => {
  const program = (await (await gpuBackend()).compile({ outputs: [graph()] })) as GpuProgram;
  expect(await program.time(3)).toBeGreaterThan(0);
});
