/** skipNonFinite: steps with NaN or infinite gradients change nothing but a counter, in loops and in trainers. */
import { describe, expect, it } from "vitest";
import {
  type Backend,
  CpuBackend,
  data,
  gradients,
  input,
  io,
  nn,
  ops,
  optim,
  parameter,
  Trainer,
} from "../../src/index.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

const broken: Readonly<Record<number, number>> = {
  1: Number.NaN,
  4: Number.POSITIVE_INFINITY,
  5: Number.NEGATIVE_INFINITY,
};
const rules: readonly (readonly [string, (options: optim.CommonOptions) => optim.Optimizer])[] = [
  ["adam", (o) => optim.adam({ learningRate: 0.1, ...o })],
  [
    "a schedule",
    (o) => optim.sgd({ learningRate: optim.linear({ learningRate: 0.1, steps: 4 }), momentum: 0.9, ...o }),
  ],
  ["accumulation", (o) => optim.adamw({ learningRate: 0.1, accumulate: 2, ...o })],
  ["averages and clipping", (o) => optim.adamw({ learningRate: 0.1, averageDecay: 0.7, clipNorm: 1, ...o })],
];

describe.each([
  ["GPU", gpuBackend],
  ["CPU reference", async (): Promise<Backend> => new CpuBackend()],
] as const)("on the %s", (_, open) => {
  it.each(rules)("%s: as if the steps had not been", async (_name, make) => {
    const device = await open();
    const run = async (skipNonFinite: boolean) => {
      const parameters = [parameter([5], numbers(5, 1)), parameter([3, 30], numbers(90, 2))];
      const received = parameters.map((t) => input(t.shape));
      const { updates, states } = make({ skipNonFinite }).apply(parameters, received);
      const program = await device.compile({ outputs: [], updates });
      for (let i = 0; i < 9; i++) {
        const bad = broken[i];
        if (bad !== undefined && !skipNonFinite) continue;
        for (const [j, t] of received.entries()) {
          const values = numbers(t.size, 100 + 2 * i + j);
          if (bad !== undefined && j === 1) values[i * 7] = bad;
          device.write(t, values);
        }
        program.run();
      }
      const names = Object.keys(states.packed);
      const all = [...parameters, ...names.map((name) => states.packed[name]!)];
      return { all, values: await device.readAll(all), states };
    };
    const [skipping, without] = [await run(true), await run(false)];
    skipping.all.forEach((t, i) => {
      // Another kernel may contract multiplications and additions in another way.
      const tolerance = { atol: 1e-6, rtol: 1e-6 };
      expectClose(t.label, skipping.values[i]!, [...without.values[i]!], t.shape, tolerance);
    });
    const { skipped, step, alarm } = skipping.states;
    expect((await device.readAll([skipped!, step, alarm])).map(([n]) => n)).toEqual([3, 9, 0]);
    expect(without.states.skipped).toBeUndefined();
  });

  it("without it NaN shows; with it a NaN parameter raises the alarm", async () => {
    const device = await open();
    for (const skipNonFinite of [false, true]) {
      const [p, q] = [parameter([2], [1, 2]), parameter([2], [Number.NaN, 1])];
      const rule = optim.sgd({ learningRate: 0.1, skipNonFinite });
      const shown = rule.apply([p], [ops.log(ops.sub(p, 1))]);
      const alarmed = rule.minimize(ops.sum(ops.square(q)));
      (await device.compile({ outputs: [], updates: [...shown.updates, ...alarmed.updates] })).run();
      const [values, flag, other] = await device.readAll([p, shown.states.alarm, alarmed.states.alarm]);
      if (skipNonFinite) expect([...values!]).toEqual([1, 2]);
      else expect(values![0]).toBe(Number.POSITIVE_INFINITY);
      expect([flag![0], other![0]]).toEqual([skipNonFinite ? 0 : 1, 1]);
    }
  });

  it("a trainer logs the share of skipped steps, and saves their number", async () => {
    const device = await open();
    const inputs = Float32Array.of(1, 0, 2, 0, 0, 3, 1, 2);
    const set = data.datasetFromArrays(
      { shape: [8, 1], dtype: "<f4", data: inputs },
      { shape: [8, 1], dtype: "<f4", data: inputs.map((v) => v + 0.5) },
      {},
    );
    const create = () =>
      Trainer.create(device, {
        model: nn.linear(1, 1, { bias: false }),
        optimizer: optim.adam({ learningRate: 0.01, skipNonFinite: true }),
        // At 0 the gradient of the root is infinite and that of the square 0: their product is NaN.
        loss: {
          ...nn.mse(),
          build: (y, _target, weights) => ({
            loss: ops.mean(ops.sqrt(ops.square(y))),
            count: ops.sum(weights),
            sums: {},
          }),
        },
        batchSize: 1,
        shuffle: false,
        seed: 1,
      });
    const whole = await create();
    const { epochs } = await whole.fit(set, { epochs: 2 });
    expect(epochs.map(({ metrics }) => metrics?.skipped)).toEqual([3 / 8, 3 / 8]);
    const first = await create();
    await first.fit(set, { epochs: 1 });
    const bytes = await first.toSafetensors();
    expect([...io.readSafetensors(bytes).tensors.get("trainer.skipped")!.data]).toEqual([3]);
    const second = await create();
    await second.fromSafetensors(bytes);
    await second.fit(set, { epochs: 1 });
    expect(await second.toSafetensors()).toEqual(await whole.toSafetensors());
  });

  it("clipByGlobalNorm and clipByValue limit lists of gradients", async () => {
    const device = await open();
    const x = [parameter([3], [1, -2, 3]), parameter([2, 2], [4, -5, 6, 7]), parameter([1], [9])];
    const grads = [
      ...gradients(
        ops.mul(ops.add(ops.sum(ops.square(x[0]!)), ops.sum(ops.square(x[1]!))), 0.5),
        x.slice(0, 2),
      ),
      undefined,
    ];
    const norm = Math.sqrt(1 + 4 + 9 + 16 + 25 + 36 + 49);
    const cases = [
      [optim.clipByGlobalNorm(grads, 2), (v: number) => (v * 2) / (norm + 1e-6)],
      [optim.clipByGlobalNorm(grads, 100), (v: number) => v],
      [optim.clipByValue(grads, 2.5), (v: number) => Math.max(-2.5, Math.min(2.5, v))],
    ] as const;
    for (const [clipped, expected] of cases) {
      expect(clipped[2]).toBeUndefined();
      const [a, b] = [clipped[0]!, clipped[1]!];
      const program = await device.compile({ outputs: [a, b] });
      program.run();
      expectClose("a", await program.read(a), [1, -2, 3].map(expected), [3]);
      expectClose("b", await program.read(b), [4, -5, 6, 7].map(expected), [2, 2]);
    }
    const { updates } = optim.sgd({ learningRate: 1 }).apply(x, optim.clipByGlobalNorm(grads, 2));
    (await device.compile({ outputs: [], updates })).run();
    expectClose(
      "updated",
      await device.read(x[0]!),
      [1, -2, 3].map((v) => v - (v * 2) / norm),
      [3],
    );
    expect([...(await device.read(x[2]!))]).toEqual([9]);
  });
});

it("clipping refuses limits that are not above 0, and what is no list of gradients", () => {
  const g = [input([2])];
  expect(() => optim.clipByGlobalNorm(g, 0)).toThrow(
    /clipByGlobalNorm: maxNorm must be a number above 0, got 0/,
  );
  expect(() => optim.clipByValue(g, -1)).toThrow(/clipByValue: limit must be a number above 0, got -1/);
  expect(() => optim.clipByValue(g[0] as never, 1)).toThrow(/clipByValue: gradients must be an array/);
  expect(() => optim.clipByGlobalNorm([undefined], 1)).toThrow(/needs at least one gradient/);
  expect(() => optim.clipByGlobalNorm([3 as never], 1)).toThrow(/every gradient must be a tensor/);
});
