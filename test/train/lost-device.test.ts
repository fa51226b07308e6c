/** A device that is lost at any moment is replaced, and results are the same bit for bit; where it can't be, calls reject. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import * as nn from "../../src/nn/index.ts";
import { add } from "../../src/ops/index.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import type { TrainEvent } from "../../src/train/loop/events.ts";
import type { FitOptions, TrainerOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { DeviceError, DeviceLostError } from "../../src/validation/errors.ts";
import { testGpu } from "../support/device.ts";
import { inPage } from "../support/in-page.ts";
import { MemoryFiles } from "../support/memory-files.ts";

const { train, test } = syntheticDigits({ seed: 3, train: 500, test: 100 });

let opened: GpuBackend[] = [];

/** `reopen`: what the host opens in place of a lost device; null for nothing. */
async function open(reopen: (() => Promise<Backend>) | null = () => open()): Promise<GpuBackend> {
  const adapter = await (await testGpu()).requestAdapter();
  const options = { files: new MemoryFiles(), ...(reopen === null ? {} : { reopen }) };
  const backend = await GpuBackend.open(adapter as GPUAdapter, options);
  opened.push(backend);
  return backend;
}

afterEach(async () => {
  for (const backend of opened) await backend.close();
  opened = [];
});

const layers = () => nn.sequential(nn.flatten(), nn.linear(784, 16), nn.relu(), nn.linear(16, 10));

function trainerOn(backend: Backend, options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  return Trainer.create(backend, {
    model: layers(),
    loss: nn.crossEntropy(),
    optimizer: adam({ averageDecay: 0.9 }),
    batchSize: 32,
    seed: 2,
    onNotice: () => undefined,
    ...options,
  });
}

const destroy = (trainer: Trainer) => (trainer.backend as GpuBackend).device.raw.destroy();

/** Destroys the device when it is told to read for the `nth` time from now. */
function loseAtRead(trainer: Trainer, nth: number): void {
  const { raw } = (trainer.backend as GpuBackend).device;
  const submit = raw.queue.submit.bind(raw.queue);
  const create = raw.createCommandEncoder.bind(raw);
  let reads = 0;
  raw.createCommandEncoder = (descriptor) => {
    if (descriptor?.label === "read" && ++reads === nth) {
      raw.queue.submit = (buffers) => {
        submit(buffers);
        raw.destroy();
      };
    }
    return create(descriptor);
  };
}

const options: FitOptions = {
  epochs: 2,
  validation: test,
  earlyStopping: { monitor: "loss", mode: "max", patience: 5, restoreBest: true },
};

/** What every run here does; each loses its device once at another moment. */
async function work(trainer: Trainer, lose: Partial<Record<string, () => void>>) {
  lose.beforeFirstFit?.();
  const events: TrainEvent[] = [];
  for await (const event of trainer.fit(train, options)) {
    events.push(event);
    lose[event.event]?.();
    if (event.event === "epoch") lose[`epoch${event.epoch}`]?.();
  }
  lose.betweenFits?.();
  await trainer.fit(train, { epochs: 1 });
  lose.beforeEvaluate?.();
  const metrics = await trainer.evaluate(test);
  lose.beforeAverages?.();
  const averaged = await trainer.evaluate(test, { average: true });
  lose.beforePredict?.();
  const { values } = await predict(trainer, test);
  lose.beforeProfile?.();
  await trainer.profile(train);
  lose.beforeCompile?.();
  const sum = add(trainer.parameters.get("3.bias") as Tensor, 1);
  const program = await trainer.compile({ outputs: [sum] });
  program.run();
  const outputs = await program.read(sum);
  lose.beforeParameter?.();
  const bias = await trainer.parameter("3.bias");
  lose.beforeSave?.();
  await trainer.save("run.safetensors");
  const file = await trainer.files().read("run.safetensors");
  const epochs = events.flatMap((e) =>
    e.event === "epoch" ? [{ ...e, seconds: 0, stepsPerSecond: 0 }] : [],
  );
  return { result: { epochs, metrics, averaged, values, outputs, bias, file, steps: trainer.steps }, events };
}

describe("the same results, wherever the device is lost", () => {
  let undisturbed: Awaited<ReturnType<typeof work>>["result"] | undefined;

  const moments: Record<string, (trainer: Trainer) => Partial<Record<string, () => void>>> = {
    "before the first fit": (t) => ({ beforeFirstFit: () => destroy(t) }),
    "at the first read": (t) => ({ beforeFirstFit: () => loseAtRead(t, 1) }),
    "at the second read": (t) => ({ beforeFirstFit: () => loseAtRead(t, 2) }),
    "at a later read": (t) => ({ beforeFirstFit: () => loseAtRead(t, 4) }),
    "as training starts": (t) => ({ start: () => destroy(t) }),
    "after the first epoch": (t) => ({ epoch1: () => destroy(t) }),
    "after the last epoch": (t) => ({ epoch2: () => destroy(t) }),
    "at the end": (t) => ({ end: () => destroy(t) }),
    "between fits": (t) => ({ betweenFits: () => destroy(t) }),
    "before evaluate": (t) => ({ beforeEvaluate: () => destroy(t) }),
    "while evaluating": (t) => ({ beforeEvaluate: () => loseAtRead(t, 1) }),
    "before the averages are evaluated": (t) => ({ beforeAverages: () => destroy(t) }),
    "while the averages are evaluated": (t) => ({ beforeAverages: () => loseAtRead(t, 2) }),
    "before predict": (t) => ({ beforePredict: () => destroy(t) }),
    "while predicting": (t) => ({ beforePredict: () => loseAtRead(t, 1) }),
    "before profile": (t) => ({ beforeProfile: () => destroy(t) }),
    "before compile": (t) => ({ beforeCompile: () => destroy(t) }),
    "before a parameter is read": (t) => ({ beforeParameter: () => destroy(t) }),
    "before save": (t) => ({ beforeSave: () => destroy(t) }),
    "twice before save": (t) => ({ beforeParameter: () => destroy(t), beforeSave: () => destroy(t) }),
  };

  /** In a page some: which calls a loss interrupts depends on the trainer alone. */
  const inPages = ["before the first fit", "at the second read", "after the first epoch", "while predicting"];

  it.each(inPage ? inPages : Object.keys(moments))("%s", async (moment) => {
    if (undisturbed === undefined) {
      const { result, events } = await work(await trainerOn(await open()), {});
      expect(events.some((e) => e.event === "recovered")).toBe(false);
      undisturbed = result;
    }
    const trainer = await trainerOn(await open());
    const { result } = await work(trainer, moments[moment]?.(trainer) ?? {});
    expect(opened.some(({ isLost }) => isLost)).toBe(true);
    expect(result).toEqual(undisturbed);
  });

  it("while programs are compiled, for training and for validation", async () => {
    let compilations = 0;
    const whole = await trainerOn(await open(), { onCompile: () => void compilations++ });
    await whole.fit(train, options);
    for (const at of [1, Math.ceil(compilations / 2), compilations]) {
      let seen = 0;
      const trainer: Trainer = await trainerOn(await open(), {
        onCompile: () => {
          if (++seen === at) destroy(trainer);
        },
      });
      const kinds: string[] = [];
      for await (const { event } of trainer.fit(train, options)) kinds.push(event);
      expect(seen).toBeGreaterThanOrEqual(at);
      expect(kinds.filter((kind) => kind === "recovered")).toHaveLength(1);
      expect(await trainer.toSafetensors()).toEqual(await whole.toSafetensors());
    }
  });

  it("while kernels are tuned", async () => {
    let tuning = 0;
    const onEvent = () => {
      if (++tuning === 3) destroy(trainer);
    };
    // One layer: every kernel that is tried takes time to compile, before the loss and after it.
    const model = nn.sequential(nn.flatten(), nn.linear(784, 10));
    const tune = { store: null, onEvent };
    const trainer: Trainer = await trainerOn(await open(), {
      model,
      optimizer: sgd({ learningRate: 0.1 }),
      tune,
    });
    const { epochs } = await trainer.fit(train, { epochs: 1 });
    expect(tuning).toBeGreaterThan(3);
    expect(opened).toHaveLength(2);
    expect(epochs[0]?.loss).toBeGreaterThan(0);
  });
});

it("events of fit name the step and the device from which the run continues", async () => {
  const first = await open();
  const heard: string[] = [];
  const trainer = await trainerOn(first, { onNotice: (line) => void heard.push(line) });
  const { events } = await work(trainer, { epoch1: () => trainer.backend === first && destroy(trainer) });
  expect(events.filter((e) => e.event === "recovered")).toMatchObject([
    { epoch: 2, step: 16, adapter: first.adapter, message: expect.stringContaining("lost (destroyed)") },
  ]);
  expect(heard).toEqual([]);
  destroy(trainer);
  await trainer.evaluate(test);
  expect(heard).toEqual([
    expect.stringMatching(/^device: lost \(destroyed\).*; going on with .* from step 48$/),
  ]);
});

it("warns on the console outside fit by default", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const { onNotice: _, ...rest } = (await trainerOn(await open())).options;
  const trainer = await Trainer.create(await open(), rest);
  destroy(trainer);
  await trainer.evaluate(test);
  expect(warn.mock.calls).toEqual([
    [expect.stringMatching(/lost \(destroyed\).*; going on with .* from step 0$/)],
  ]);
  warn.mockRestore();
});

it("continues on the CPU reference where the host opens that, and names it", async () => {
  const trainer = await trainerOn(await open(async () => new CpuBackend({ files: new MemoryFiles() })));
  const { events } = await work(trainer, { epoch1: () => destroy(trainer) });
  expect(events.filter((e) => e.event === "recovered")).toMatchObject([
    { step: 16, adapter: "CPU reference (float32)" },
  ]);
  expect(trainer.backend.kind).toBe("cpu");
});

describe("where no other device can be opened", () => {
  const gone = () => Promise.reject(new DeviceError("no adapter any more"));

  it.each([
    ["none is tried", () => open(null), /lost \(destroyed\)/],
    ["trying fails", () => open(gone), /lost \(destroyed\).*no other can be opened: no adapter any more/],
  ] as const)(
    "%s: everything that needs one says so, and the weights can be saved",
    async (_, start, words) => {
      const whole = await trainerOn(await open());
      await whole.fit(train, { epochs: 1 });
      const backend = await start();
      const trainer = await trainerOn(backend);
      await trainer.fit(train, { epochs: 1 });
      destroy(trainer);
      await backend.device.lost;
      for (const use of [
        () => trainer.fit(train, { epochs: 1 }),
        () => trainer.evaluate(test),
        () => predict(trainer, test),
        () => trainer.compile({ outputs: [add(trainer.parameters.get("1.bias") as Tensor, 1)] }),
      ]) {
        await expect(use()).rejects.toThrow(DeviceLostError);
        await expect(use()).rejects.toThrow(words);
      }
      expect(await trainer.toSafetensors()).toEqual(await whole.toSafetensors());
      expect(await trainer.parameter("1.bias")).toEqual(await whole.parameter("1.bias"));
    },
  );

  it("rejects where devices are lost again and again", async () => {
    let tries = 0;
    const doomed = async (): Promise<GpuBackend> => {
      tries++;
      const backend = await open(doomed);
      backend.device.raw.destroy();
      await backend.device.lost;
      return backend;
    };
    const trainer = await trainerOn(await open(doomed));
    destroy(trainer);
    await expect(trainer.evaluate(test)).rejects.toThrow(DeviceLostError);
    await expect(trainer.fit(train, { epochs: 1 })).rejects.toThrow(DeviceLostError);
    expect(tries).toBeLessThan(20);
  });
});

it("a device that was closed is not replaced", async () => {
  let tries = 0;
  const backend = await open(() => {
    tries++;
    return open();
  });
  const trainer = await trainerOn(backend);
  await trainer.fit(train, { epochs: 1 });
  await backend.close();
  await expect(trainer.fit(train, { epochs: 1 })).rejects.toThrow(DeviceError);
  await expect(trainer.evaluate(test)).rejects.toThrow();
  await expect(trainer.toSafetensors()).rejects.toThrow();
  await expect(predict(trainer, test)).rejects.toThrow();
  expect(tries).toBe(0);
});

it("closing a device also closes the one that replaced it", async () => {
  const first = await open();
  const trainer = await trainerOn(first);
  destroy(trainer);
  await trainer.evaluate(test);
  expect(trainer.backend).not.toBe(first);
  await first.close();
  expect(trainer.backend.closed).toBe(true);
  await expect(trainer.evaluate(test)).rejects.toThrow();
});

it("trainers of one device move to the same new one, and shared layers keep their latest weights", async () => {
  const run = async (lose: boolean) => {
    const backend = await open();
    const model = layers();
    const one = await trainerOn(backend, { model });
    const two = await trainerOn(backend, { model, optimizer: adam() });
    await one.fit(train, { epochs: 1 });
    await two.fit(train, { epochs: 1 });
    if (lose) destroy(one);
    await one.evaluate(test);
    await two.fit(train, { epochs: 1 });
    if (lose) expect(one.backend).not.toBe(backend);
    expect(one.backend).toBe(two.backend);
    return [await one.parameter("1.weight"), await two.toSafetensors()];
  };
  const lost = await run(true);
  expect(lost).toEqual(await run(false));
});

it("weights that were written or loaded after a snapshot are restored on the new device", async () => {
  const whole = await trainerOn(await open());
  await whole.fit(train, { epochs: 1 });
  const bytes = await whole.toSafetensors();
  const trainer = await trainerOn(await open());
  await trainer.fromSafetensors(bytes);
  destroy(trainer);
  expect(await trainer.evaluate(test)).toEqual(await whole.evaluate(test));
  expect(trainer.steps).toBe(16);
  destroy(trainer);
  trainer.setLearningRate(0.5);
  whole.setLearningRate(0.5);
  for (const each of [whole, trainer]) await each.fit(train, { epochs: 1 });
  expect(await trainer.toSafetensors()).toEqual(await whole.toSafetensors());
});

it("a learning rate that was set within an epoch survives the loss of the device", async () => {
  const trainer = await trainerOn(await open());
  const rate = trainer.states.live.get("trainer.learningRate") as Tensor;
  let lost = false;
  for await (const event of trainer.fit(train, { epochs: 2 })) {
    if (event.event !== "progress" || lost) continue;
    lost = true;
    trainer.setLearningRate(0.25);
    destroy(trainer);
  }
  const { values } = await trainer.snapshot(trainer.steps);
  expect(values.get(rate)?.[0]).toBe(0.25);
});
