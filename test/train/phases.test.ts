/** Trainers of several phases: values, one submit for all of them, checkpoints, lost devices, schedules, random numbers. */
import { describe, expect, it } from "vitest";
import * as ops from "../../src/all-ops.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { readSafetensors } from "../../src/io/safetensors.ts";
import * as nn from "../../src/nn/index.ts";
import { adam, sgd } from "../../src/optim/index.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import type { PhasesOptions } from "../../src/train/loop/options.ts";
import { Trainer } from "../../src/train/loop/trainer.ts";
import { predict } from "../../src/train/predict/predict.ts";
import { resumeFrom } from "../../src/train/state/checkpoint-folder.ts";
import type { StepBatch, StepContext } from "../../src/train/step/phase.ts";
import { gpuBackend } from "../support/backend.ts";
import { countCalls } from "../support/count-calls.ts";
import { testGpu } from "../support/device.ts";
import { MemoryFiles } from "../support/memory-files.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ["CPU reference", async () => new CpuBackend()],
];

/** Real samples as inputs, latents as labels. */
const reals = Array.from({ length: 22 }, (_, i) => 2 + Math.sin(3.1 * i));
const latents = Array.from({ length: 22 }, (_, i) => Math.cos(1.3 * i));
const data: Dataset = {
  name: "numbers",
  split: "train",
  count: 22,
  inputs: { data: Float32Array.from(reals), shape: [1] },
  labels: Float32Array.from(latents),
};

const softplus = (x: Tensor) => ops.softplus(x);
/** Mean over the samples of values [n, 1]. */
const meanOf = (x: Tensor, weights: Tensor) =>
  ops.div(ops.sum(ops.mul(ops.reshape(x, [weights.size]), weights)), ops.sum(weights));

/** A generator a z + b against a discriminator w x + c. */
function tinyGan(every = 1): PhasesOptions {
  const [d, g] = [nn.linear(1, 1), nn.linear(1, 1)];
  return {
    phases: {
      discriminator: {
        model: d,
        optimizer: sgd({ learningRate: 0.3, momentum: 0.5 }),
        step: ({ inputs, labels, weights }) => ({
          loss: ops.add(
            meanOf(softplus(ops.neg(d.forward(inputs))), weights),
            meanOf(softplus(d.forward(g.forward(labels))), weights),
          ),
        }),
      },
      generator: {
        model: g,
        optimizer: sgd({ learningRate: 0.2 }),
        every,
        step: ({ labels, weights }) => {
          const fake = g.forward(labels);
          return {
            loss: meanOf(softplus(ops.neg(d.forward(fake))), weights),
            metrics: { fake: meanOf(fake, weights) },
          };
        },
      },
    },
    batchSize: 5,
    shuffle: false,
    seed: 4,
  };
}

/** The same in float64, from the weights of a trainer. */
function tinyGanByHand([w0, c0, a0, b0]: readonly number[], steps: number, every: number): number[] {
  let [w, c, a, b, vw, vc] = [w0!, c0!, a0!, b0!, 0, 0];
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  for (let step = 0; step < steps; step++) {
    const start = (step % 5) * 5;
    const [x, z] = [reals.slice(start, start + 5), latents.slice(start, start + 5)];
    const n = x.length;
    let [gw, gc] = [0, 0];
    for (let i = 0; i < n; i++) {
      const fake = a * z[i]! + b;
      const ofReal = -sigmoid(-(w * x[i]! + c)) / n;
      const ofFake = sigmoid(w * fake + c) / n;
      gw += ofReal * x[i]! + ofFake * fake;
      gc += ofReal + ofFake;
    }
    vw = 0.5 * vw + gw;
    vc = 0.5 * vc + gc;
    w -= 0.3 * vw;
    c -= 0.3 * vc;
    if ((step + 1) % every !== 0) continue;
    let [ga, gb] = [0, 0];
    for (let i = 0; i < n; i++) {
      const dFake = (-sigmoid(-(w * (a * z[i]! + b) + c)) * w) / n;
      ga += dFake * z[i]!;
      gb += dFake;
    }
    a -= 0.2 * ga;
    b -= 0.2 * gb;
  }
  return [w, c, a, b];
}

const weightsOf = async (trainer: Trainer): Promise<number[]> => {
  const names = ["discriminator.weight", "discriminator.bias", "generator.weight", "generator.bias"];
  return (await Promise.all(names.map((name) => trainer.parameter(name)))).map(([value]) => value as number);
};

describe.each(backends)("on the %s", (_, open) => {
  it.each([1, 3])("a GAN whose generator runs every %i. step follows float64 by hand", async (every) => {
    const trainer = await Trainer.create(await open(), tinyGan(every));
    const first = await weightsOf(trainer);
    const { epochs } = await trainer.fit(data, { steps: 14 });
    const expected = tinyGanByHand(first, 14, every);
    (await weightsOf(trainer)).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 5);
    });
    expect(trainer.steps).toBe(14);
    const names = ["discriminator.loss", "generator.fake", "generator.loss"];
    expect(Object.keys(epochs[1]!.metrics!).sort()).toEqual(names);
    const { loss, metrics } = epochs[1]!;
    expect(loss).toBeCloseTo(
      (metrics!["discriminator.loss"] as number) + (metrics!["generator.loss"] as number),
      9,
    );
    // Both see all samples, with the weights of the end.
    const [w, c, a, b] = expected as [number, number, number, number];
    const ofEnd = latents.reduce((sum, z) => sum + Math.log1p(Math.exp(-(w * (a * z + b) + c))), 0) / 22;
    const evaluated = await trainer.evaluate(data);
    expect(evaluated.metrics!["generator.loss"]).toBeCloseTo(ofEnd, 4);
  });

  it("goes on from checkpoints in the middle with the same bits", async () => {
    const run = async (stops: readonly number[]): Promise<Uint8Array> => {
      const files = new MemoryFiles();
      let last: Trainer | undefined;
      for (const stop of [...stops, 1000]) {
        const backend = Object.assign(await open(), { files });
        // Another seed: weights and random key come from the checkpoint.
        const seed = last === undefined ? 7 : 1000 + stop;
        last = await Trainer.create(backend, {
          ...noisyGan(),
          seed,
          stepsPerSubmit: 2,
          onNotice: () => undefined,
        });
        const resume = await resumeFrom(last, "run");
        const checkpoints = { directory: "run", everySteps: 7 };
        const abort = new AbortController();
        const { aborted } = await last.fit(data, {
          steps: 40,
          checkpoints,
          resume,
          signal: abort.signal,
          onSteps: (first, steps) => {
            if (first + steps.length >= stop) abort.abort();
          },
        });
        expect(aborted).toBe(stop < 40);
        expect(last.steps).toBeGreaterThanOrEqual(Math.min(stop, 40));
      }
      return (last as Trainer).toSafetensors();
    };
    const whole = await Trainer.create(await open(), { ...noisyGan(), seed: 7 });
    await whole.fit(data, { steps: 40 });
    expect(await run([11, 23])).toEqual(await whole.toSafetensors());
  });

  it("a phase sees what those before it have updated, and trains nothing else", async () => {
    const [a, b] = [nn.linear(1, 1), nn.linear(1, 1)];
    const rate = (model: nn.Linear, other: nn.Linear) => ({
      model,
      optimizer: sgd({ learningRate: 1 }),
      // The gradient of the weight is that of the other model.
      step: () => ({
        loss: ops.sum(ops.mul(model.weight, other.weight)),
        metrics: { other: ops.sum(other.weight) },
      }),
    });
    const trainer = await Trainer.create(await open(), {
      phases: { one: rate(a, b), two: rate(b, a) },
      batchSize: 4,
      onNotice: () => undefined,
    });
    await trainer.fromSafetensors(await trainer.toSafetensors());
    const [w, v] = [(await trainer.parameter("one.weight"))[0]!, (await trainer.parameter("two.weight"))[0]!];
    const { epochs } = await trainer.fit(data, { steps: 1 });
    expect((await trainer.parameter("one.weight"))[0]).toBeCloseTo(w - v, 6);
    expect((await trainer.parameter("two.weight"))[0]).toBeCloseTo(v - (w - v), 6);
    expect(epochs[0]!.metrics!["one.other"]).toBeCloseTo(v, 6);
    expect(epochs[0]!.metrics!["two.other"]).toBeCloseTo(w - v, 6);
    // The biases have no part in a loss.
    expect([...(await trainer.parameter("one.bias"))].every(Number.isFinite)).toBe(true);
  });

  it("what prepare draws is the same in both phases, what phases draw is not, and all is new in each step", async () => {
    const model = () => {
      const layer = nn.linear(1, 1);
      return {
        model: layer,
        optimizer: sgd({ learningRate: 0 }),
        step: ({ z, inputs }: StepBatch & { z: Tensor }, { random }: StepContext) => ({
          loss: ops.mean(layer.forward(inputs)),
          metrics: { shared: ops.mean(z), own: ops.mean(ops.normal([64], random)) },
        }),
      };
    };
    const trainer = await Trainer.create(await open(), {
      phases: { one: model(), two: model() },
      prepare: (batch, { random }) => ({ ...batch, z: ops.normal([64], random) }),
      batchSize: 22,
    });
    const seen: Record<string, number>[] = [];
    await trainer.fit(data, {
      steps: 3,
      onSteps: (_, steps) => seen.push(...steps.map(({ metrics }) => metrics as Record<string, number>)),
    });
    const values = (name: string) => seen.map((one) => one[name]!);
    expect(values("one.shared")).toEqual(values("two.shared"));
    const all = ["one.shared", "one.own", "two.own"].flatMap(values);
    expect(new Set(all).size).toBe(9);
    const evaluated = await trainer.evaluate(data);
    expect(evaluated.metrics!["one.shared"]).toBe(evaluated.metrics!["two.shared"]);
    expect(all).not.toContain(evaluated.metrics!["one.shared"]);
  });

  it("phases may share a part that both train", async () => {
    const make = async (backend: Backend) => {
      const [shared, one, two] = [nn.linear(1, 70), nn.linear(70, 1), nn.linear(70, 2)];
      const phase = (head: nn.Linear) => ({
        model: { shared, head },
        optimizer: sgd({ learningRate: 0.01, momentum: 0.5 }),
        step: ({ inputs, weights }: StepBatch) => ({
          loss: meanOf(ops.mean(ops.square(head.forward(shared.forward(inputs))), { axes: 1 }), weights),
        }),
      });
      const trainer = await Trainer.create(backend, {
        phases: { one: phase(one), two: phase(two) },
        batchSize: 11,
        seed: 1,
      });
      await trainer.fit(data, { epochs: 3 });
      return trainer;
    };
    const [trainer, reference] = [await make(await open()), await make(new CpuBackend({ bits: 64 }))];
    expect([...trainer.parameters.keys()]).toEqual(
      ["one.shared", "one.head", "two.head"].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
    );
    for (const name of trainer.parameters.keys()) {
      const expected = await reference.parameter(name);
      (await trainer.parameter(name)).forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 4);
      });
    }
  });

  it("detectAnomaly names the op of a later phase, also in a batch of one's own", async () => {
    const options = tinyGan();
    const { discriminator, generator } = options.phases as Record<string, PhasesOptions["phases"][string]>;
    const make = async () =>
      Trainer.create(await open(), {
        ...options,
        detectAnomaly: true,
        phases: {
          discriminator: discriminator!,
          generator: {
            ...generator!,
            every: 2,
            step: (batch, context) => {
              const { loss } = generator!.step(batch, context);
              return { loss: ops.add(loss, ops.log(ops.detach(ops.mul(loss, 0)))) };
            },
          },
        },
      });
    const message = /log .* became -Infinity at element 0 in step 2 /;
    await expect((async () => (await make()).fit(data, { steps: 4 }))()).rejects.toThrow(message);
    const trainer = await make();
    const batch = { inputs: [[1], [2]], labels: [[0.5], [0]] };
    await trainer.step(batch);
    await expect(trainer.step(batch)).rejects.toThrow(message);
    expect(trainer.steps).toBe(1);
  });

  it("rates, averages and files belong to phases", async () => {
    const trainer = await Trainer.create(await open(), { ...noisyGan(), onNotice: () => undefined });
    expect(() => trainer.setLearningRate(0.5)).toThrow(
      /a learning rate belongs to one of the phases; there are discriminator, generator, got undefined/,
    );
    expect(() => trainer.setLearningRate(0.5, "generater")).toThrow(/got generater/);
    trainer.setLearningRate(0, "generator");
    const before = await trainer.parameter("generator.0.weight");
    await trainer.fit(data, { steps: 6 });
    expect(await trainer.parameter("generator.0.weight")).toEqual(before);
    expect(trainer.learningRate).toBeCloseTo(0.02, 6);
    const plain = await trainer.evaluate(data);
    expect(await trainer.evaluate(data, { average: true })).not.toEqual(plain);
    expect(await trainer.evaluate(data)).toEqual(plain);
    const { tensors } = readSafetensors(await trainer.toSafetensors());
    const names = [...tensors.keys()];
    expect(names).toContain("optimizer.discriminator.m.discriminator.0.weight");
    expect(names).toContain("optimizer.generator.velocity.generator.0.weight");
    expect(names).toContain("trainer.step");
    // A saved run goes on with the count of each optimizer's updates.
    const twin = await Trainer.create(await open(), { ...noisyGan(), onNotice: () => undefined });
    await twin.fromSafetensors(await trainer.toSafetensors());
    trainer.setLearningRate(0.01, "generator");
    await Promise.all([trainer.fit(data, { steps: 5 }), twin.fit(data, { steps: 5 })]);
    expect(await twin.toSafetensors()).toEqual(await trainer.toSafetensors());
    await expect(
      (await Trainer.create(new CpuBackend(), tinyGan())).fromSafetensors(await trainer.toSafetensors()),
    ).rejects.toThrow(/lacks discriminator.weight/);
  });
});

/** Latents drawn on the device, dropout, batch norm, averages, and a generator that runs every third step. */
function noisyGan(): PhasesOptions {
  const d = nn.sequential(nn.linear(1, 6), nn.relu(), nn.dropout(0.25), nn.linear(6, 1));
  const g = nn.sequential(nn.linear(2, 5), nn.batchNorm1d(5), nn.relu(), nn.linear(5, 1));
  return {
    phases: {
      discriminator: {
        model: d,
        optimizer: adam({ learningRate: 0.02, averageDecay: 0.9 }),
        step: ({ inputs, z, weights }) => ({
          loss: ops.add(
            meanOf(softplus(ops.neg(nn.forward(d, inputs))), weights),
            meanOf(softplus(nn.forward(d, nn.forward(g, z!))), weights),
          ),
        }),
      },
      generator: {
        model: g,
        optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
        every: 3,
        step: ({ z, weights }) => ({
          loss: meanOf(softplus(ops.neg(nn.forward(d, nn.forward(g, z!)))), weights),
        }),
      },
    },
    prepare: ({ inputs, weights }, { random }) => ({
      inputs,
      weights,
      z: ops.normal([inputs.shape[0]!, 2], random),
    }),
    batchSize: 5,
    trackGradientNorm: true,
  };
}

describe("on a device of its own", () => {
  const own = async (reopen?: () => Promise<Backend>): Promise<GpuBackend> => {
    const adapter = await (await testGpu()).requestAdapter();
    return GpuBackend.open(adapter as GPUAdapter, reopen === undefined ? {} : { reopen });
  };

  it("all phases of many steps are one pass and one submit, and nothing is created or written", async () => {
    const backend = await own();
    const trainer = await Trainer.create(backend, { ...noisyGan(), seed: 1 });
    await trainer.fit(data, { steps: 30 });
    const { program } = await trainer.trainProgram(data);
    await program.ready?.();
    const { calls, stop } = countCalls(backend.device.raw);
    program.run(12, 30);
    stop();
    await program.finished();
    const { dispatches } = program.describe();
    expect(calls).toMatchObject({
      passes: 1,
      submits: 1,
      bindGroups: 0,
      buffers: 0,
      pipelines: 0,
      writes: 0,
      maps: 0,
    });
    expect(calls.shaderModules).toBe(0);
    // The generator runs in 4 of 12 steps.
    const ofLast = 1;
    const ofGenerator = (12 * dispatches - calls.dispatches) / 8;
    expect(ofGenerator).toBeGreaterThan(ofLast);
    expect(ofGenerator).toBeLessThan(dispatches - ofLast);
    await backend.close();
  });

  it("a lost device is replaced, and the run ends with the same bits", async () => {
    const opened: GpuBackend[] = [];
    const open = async (): Promise<GpuBackend> => {
      const backend = await own(open);
      opened.push(backend);
      return backend;
    };
    const run = async (lose: boolean) => {
      const trainer = await Trainer.create(await open(), { ...noisyGan(), seed: 1 });
      const kinds: string[] = [];
      for await (const { event } of trainer.fit(data, { epochs: 6 })) {
        kinds.push(event);
        const isThird = event === "epoch" && kinds.filter((kind) => kind === "epoch").length === 3;
        if (lose && isThird) (trainer.backend as GpuBackend).device.raw.destroy();
      }
      expect(kinds.includes("recovered")).toBe(lose);
      return [await trainer.toSafetensors(), await trainer.evaluate(data)];
    };
    expect(await run(true)).toEqual(await run(false));
    for (const backend of opened) await backend.close();
  });
});

describe("refused", () => {
  const create = (options: object) =>
    Trainer.create(new CpuBackend(), { ...tinyGan(), ...options } as PhasesOptions);
  const { generator } = tinyGan().phases as Record<"generator", PhasesOptions["phases"][string]>;

  const cases: Readonly<Record<string, readonly [object, RegExp]>> = {
    "no phase": [{ phases: {} }, /phases has no phase/],
    "a name that files can't have": [
      { phases: { "my.phase": generator } },
      /name of a phase must be letters/,
    ],
    "an unknown key": [
      { phases: { generator: { ...generator, evry: 2 } } },
      /phases.generator: there is no option "evry"; did you mean every\?/,
    ],
    "an unknown key beside the phases": [{ loss: nn.mse() }, /there is no option "loss"/],
    "every 0": [
      { phases: { generator: { ...generator, every: 0 } } },
      /phases.generator: every must be a whole number of at least 1/,
    ],
    "no optimizer": [
      { phases: { generator: { ...generator, optimizer: undefined } } },
      /phases.generator: optimizer is missing/,
    ],
    "no step": [
      { phases: { generator: { ...generator, step: undefined } } },
      /phases.generator: step must be a function/,
    ],
    "no parameters": [
      { phases: { generator: { ...generator, model: {} } } },
      /the model of generator has no parameters to train/,
    ],
  };

  it.each(Object.entries(cases))("%s", async (_, [options, message]) => {
    await expect(create(options)).rejects.toThrow(message);
  });

  it("a model of another phase that is in no phase, and what is no batch", async () => {
    const lonely = create({ phases: { generator } });
    await expect((await lonely).fit(data, { epochs: 1 })).rejects.toThrow(
      /trainer: the model uses weight f32\[1, 1\] of linear.*found in none of its fields/,
    );
    const odd = await create({ prepare: () => ({ z: 3 }) });
    await expect(odd.fit(data, { epochs: 1 })).rejects.toThrow(
      /prepare: must return a record of tensors.*3 as z/,
    );
    const missing = await create({ prepare: (batch: object) => ({ ...batch, labels: undefined }) });
    await expect(missing.fit(data, { epochs: 1 })).rejects.toThrow(/prepare: must return a record/);
    await expect(predict(await create({}), data)).rejects.toThrow(/model is no layer/);
  });
});
