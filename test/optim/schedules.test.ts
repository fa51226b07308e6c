/**
 * Schedules against PyTorch's recursions and formulas in float64 over hundreds of steps, on the host and on both backends,
 * many steps in one submit against one by one; ReduceLROnPlateau; refusals.
 */
import { describe, expect, it } from "vitest";
import { constant as leaf, state } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { record } from "../../src/ops/data/record.ts";
import { reduceOnPlateau } from "../../src/optim/plateau.ts";
import { ratesAt, scheduledRate } from "../../src/optim/scheduled-rate.ts";
import * as optim from "../../src/optim/schedules.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";

const STEPS = 400;
const LR = 0.2;

/** Rates of all steps by PyTorch's recursive form: the next from the one before. */
const recursive = (first: number, next: (lr: number, epoch: number) => number) => {
  const rates = [first];
  for (let epoch = 1; epoch < STEPS; epoch++) rates.push(next(rates[epoch - 1]!, epoch));
  return rates;
};
const closed = (rate: (t: number) => number) => Array.from({ length: STEPS }, (_, t) => rate(t));
const cosineFrom = (high: number, low: number, part: number) =>
  low + ((high - low) * (1 + Math.cos(Math.PI * part))) / 2;

function restarts(period: number, factor: number): number[] {
  let [current, length] = [0, period];
  return closed(() => {
    if (current >= length) [current, length] = [current - length, length * factor];
    return cosineFrom(LR, 0.01, current++ / length);
  });
}

function oneCycle(steps: number, share: number): number[] {
  const [initial, last] = [LR / 25, LR / 25 / 1e4];
  const peak = share * steps - 1;
  // _annealing_cos of PyTorch.
  const cos = (a: number, b: number, part: number) => b + ((a - b) / 2) * (Math.cos(Math.PI * part) + 1);
  return closed((t) => {
    if (t <= peak) return cos(initial, LR, t / peak);
    return cos(LR, last, (Math.min(t, steps - 1) - peak) / (steps - 1 - peak));
  });
}

const exponentialFrom = (first: number) => (t: number) => first * 0.99 ** t;
const cases: readonly (readonly [string, optim.Schedule, readonly number[]])[] = [
  ["constant", optim.constant({ learningRate: LR }), closed(() => LR)],
  [
    "constant with factor",
    optim.constant({ learningRate: LR, factor: 1 / 3, steps: 5 }),
    recursive(LR / 3, (lr, epoch) => (epoch === 5 ? lr * 3 : lr)),
  ],
  [
    "step",
    optim.step({ learningRate: LR, stepSize: 49, gamma: 0.5 }),
    recursive(LR, (lr, epoch) => (epoch % 49 === 0 ? lr * 0.5 : lr)),
  ],
  [
    "multiStep",
    optim.multiStep({ learningRate: LR, milestones: [7, 8, 100, 399] }),
    recursive(LR, (lr, epoch) => ([7, 8, 100, 399].includes(epoch) ? lr * 0.1 : lr)),
  ],
  ["exponential", optim.exponential({ learningRate: LR, gamma: 0.97 }), recursive(LR, (lr) => lr * 0.97)],
  [
    "cosine, and up again",
    optim.cosine({ learningRate: LR, minLearningRate: 0.02, steps: 130 }),
    closed((t) => cosineFrom(LR, 0.02, t / 130)),
  ],
  [
    "cosineRestarts",
    optim.cosineRestarts({ learningRate: LR, minLearningRate: 0.01, period: 33 }),
    restarts(33, 1),
  ],
  [
    "cosineRestarts that get longer",
    optim.cosineRestarts({ learningRate: LR, minLearningRate: 0.01, period: 10, factor: 2 }),
    restarts(10, 2),
  ],
  [
    "linear",
    optim.linear({ learningRate: LR, startFactor: 0.25, endFactor: 0.75, steps: 60 }),
    recursive(LR * 0.25, (lr, t) => (t > 60 ? lr : lr * (1 + 0.5 / (60 * 0.25 + (t - 1) * 0.5)))),
  ],
  [
    "polynomial",
    optim.polynomial({ learningRate: LR, steps: 300, power: 2 }),
    recursive(LR, (lr, t) => (t > 300 ? lr : lr * ((1 - t / 300) / (1 - (t - 1) / 300)) ** 2)),
  ],
  ["oneCycle", optim.oneCycle({ learningRate: LR, steps: 350 }), oneCycle(350, 0.3)],
  [
    "oneCycle with an odd peak",
    optim.oneCycle({ learningRate: LR, steps: 111, riseShare: 0.25 }),
    oneCycle(111, 0.25),
  ],
  [
    "oneCycle in lines",
    optim.oneCycle({ learningRate: LR, steps: 101, anneal: "linear", startDivisor: 4, endDivisor: 10 }),
    closed((t) => {
      const [peak, end] = [0.3 * 101 - 1, 100];
      if (t <= peak) return 0.05 + (0.15 * t) / peak;
      return LR + ((0.005 - LR) * (Math.min(t, end) - peak)) / (end - peak);
    }),
  ],
  [
    "warm-up, then cosine",
    optim.warmUp({ steps: 20, startFactor: 0.1 }, optim.cosine({ learningRate: LR, steps: 380 })),
    closed((t) => (t < 20 ? LR * (0.1 + (0.9 * t) / 20) : cosineFrom(LR, 0, (t - 20) / 380))),
  ],
  ["warm-up to a number", optim.warmUp({ steps: 7 }, LR), closed((t) => (LR * Math.min(t, 7)) / 7)],
  [
    "three in sequence",
    optim.sequence(
      [
        optim.linear({ learningRate: 0.1, steps: 10 }),
        optim.exponential({ learningRate: 0.1, gamma: 0.99 }),
        optim.step({ learningRate: 0.05, stepSize: 100 }),
      ],
      [10, 150],
    ),
    closed((t) => {
      if (t < 10) return 0.1 * (1 / 3 + ((2 / 3) * t) / 10);
      return t < 150 ? exponentialFrom(0.1)(t - 10) : 0.05 * 0.1 ** Math.floor((t - 150) / 100);
    }),
  ],
];

describe.each(cases)("%s", (name, schedule, expected) => {
  const run = async (
    backend: CpuBackend | Awaited<ReturnType<typeof gpuBackend>>,
    submits: readonly number[],
  ) => {
    const [step, rate, ring] = [state([1], 0, "u32"), state([1], schedule.learningRate), state([STEPS, 1])];
    const lr = scheduledRate(schedule, rate, step);
    const program = await backend.compile({ outputs: [], updates: [record(ring, step, [lr])] });
    for (const times of submits) program.run(times);
    return backend.read(ring);
  };
  const parts = Array<number>(STEPS / 50).fill(50);

  it("is PyTorch's on the host and the CPU reference", async () => {
    const tight = { atol: 1e-12, rtol: 1e-10 };
    expectClose(
      name,
      Array.from({ length: STEPS }, (_, t) => schedule.rate(t)),
      expected,
      [STEPS],
      tight,
    );
    expectClose(name, await run(new CpuBackend({ bits: 64 }), parts), expected, [STEPS], tight);
  });

  it("is the same on the GPU, and the same bits at 1 and at 50 steps per submit", async () => {
    const gpu = await gpuBackend();
    const single = await run(gpu, Array<number>(STEPS).fill(1));
    // The cosine is worked out to 1e-7, of rates up to 0.2; float32's exp loses digits as its argument grows.
    expectClose(name, single, expected, [STEPS], { atol: 1e-7, rtol: 1e-5 });
    expect(await run(gpu, parts)).toEqual(single);
  });
});

describe("up to 10 million steps the device is within 1e-6 of the host's float64", () => {
  const MILLIONS = 10_000_000;
  const long: (readonly [string, optim.Schedule, (readonly number[])?])[] = [
    ["constant", optim.constant({ learningRate: LR, factor: 0.3, steps: 4_000_000 }), [4_000_000]],
    ["step", optim.step({ learningRate: LR, stepSize: 333_333, gamma: 0.3 })],
    ["step, every one", optim.step({ learningRate: LR, stepSize: 1, gamma: 0.999999 })],
    ["step, up", optim.step({ learningRate: 1e-6, stepSize: 700_001, gamma: 2.5 })],
    ["multiStep", optim.multiStep({ learningRate: LR, milestones: [3, 4_999_999, 9_000_000] }), [4_999_999]],
    ["exponential", optim.exponential({ learningRate: LR, gamma: 0.9999995 })],
    ["exponential, soon small", optim.exponential({ learningRate: LR, gamma: 0.9 }), [800]],
    ["exponential, up", optim.exponential({ learningRate: 1e-9, gamma: 1.000001 })],
    ["cosine", optim.cosine({ learningRate: LR, steps: MILLIONS })],
    [
      "cosine of 10,000 steps",
      optim.cosine({ learningRate: LR, steps: 10_000 }),
      [10_000, 20_000, 9_990_000],
    ],
    ["cosine to a rate", optim.cosine({ learningRate: LR, minLearningRate: 1e-5, steps: 9_999_991 })],
    ["cosine upwards", optim.cosine({ learningRate: 1e-4, minLearningRate: 0.1, steps: 9_999_991 })],
    ["cosineRestarts", optim.cosineRestarts({ learningRate: LR, period: 77_777 }), [77_777, 155_554]],
    [
      "longer cosineRestarts",
      optim.cosineRestarts({ learningRate: LR, period: 1000, factor: 3 }),
      [1000, 4000],
    ],
    ["two cosineRestarts", optim.cosineRestarts({ learningRate: LR, period: 1e6, factor: 1e6 }), [1e6]],
    ["linear to 0", optim.linear({ learningRate: LR, startFactor: 1, endFactor: 0, steps: MILLIONS })],
    ["linear", optim.linear({ learningRate: LR, startFactor: 0, endFactor: 0.7, steps: 9_999_991 })],
    ["polynomial", optim.polynomial({ learningRate: LR, steps: MILLIONS })],
    ...[0.5, 0.9, 2, 3, 7.3, 64].map(
      (power) =>
        [`polynomial ${power}`, optim.polynomial({ learningRate: LR, steps: 9_999_991, power })] as const,
    ),
    ["oneCycle", optim.oneCycle({ learningRate: LR, steps: MILLIONS }), [3_000_000]],
    ["oneCycle to 0", optim.oneCycle({ learningRate: LR, steps: 9_999_991, endDivisor: 1e30 })],
    ["oneCycle in lines", optim.oneCycle({ learningRate: LR, steps: 9_999_991, anneal: "linear" })],
    [
      "warm-up, then cosine",
      optim.warmUp({ steps: 20_000 }, optim.cosine({ learningRate: LR, steps: MILLIONS - 20_000 })),
      [20_000],
    ],
  ];

  /** Every step near the beginning, the ends of parts and the last, and random ones between. */
  const stepsOf = (ends: readonly number[]) => {
    const random = new Random(11, 0);
    const near = [0, ...ends, MILLIONS].flatMap((end) =>
      Array.from({ length: 600 }, (_, i) => end - 300 + i),
    );
    const between = Array.from({ length: 4000 }, () => Math.floor(random.uniform() * MILLIONS));
    return [...near, ...between].filter((t) => t >= 0 && t <= MILLIONS);
  };

  it.each(long.map(([name, schedule, ends = []]) => ({ name, schedule, ends })))(
    "$name",
    async ({ name, schedule, ends }) => {
      const steps = stepsOf([...ends, 9_999_991]);
      for (const backend of [new CpuBackend(), await gpuBackend()]) {
        const rates = ratesAt(schedule, leaf(Float32Array.from(steps)), state([1], schedule.learningRate));
        const program = await backend.compile({ outputs: [rates] });
        program.run();
        const found = await program.read(rates);
        const wrong = steps.flatMap((t, i) => {
          const [actual, expected] = [found[i] as number, schedule.rate(t)];
          // Rates below the smallest normal float32 number may become 0.
          const limit = Math.max(1e-6 * expected, expected < 2 ** -126 ? 2 ** -126 : 0);
          return Math.abs(actual - expected) <= limit ? [] : [`step ${t}: ${actual}, host ${expected}`];
        });
        expect(wrong.slice(0, 5), `${name} on ${backend.adapter}: ${wrong.length} steps`).toEqual([]);
      }
    },
  );

  it("keeps the last of 10,000 steps of half a cosine", async () => {
    const schedule = optim.cosine({ learningRate: 1, steps: 10_000 });
    const [step, rate] = [state([1], 9999, "u32"), state([1], 1)];
    for (const backend of [new CpuBackend(), await gpuBackend()]) {
      const last = scheduledRate(schedule, rate, step);
      const program = await backend.compile({ outputs: [last] });
      program.run();
      const expected = Math.sin(Math.PI / 20_000) ** 2;
      expect(Math.abs((await program.read(last))[0]! / expected - 1)).toBeLessThan(1e-6);
    }
  });
});

describe("reduceOnPlateau", () => {
  it("waits for patience to run out, rests, and stops at the least rate", () => {
    const plateau = reduceOnPlateau({
      learningRate: 1,
      factor: 0.5,
      patience: 1,
      cooldown: 2,
      minLearningRate: 0.2,
    });
    const rates = [5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3].map((loss) => plateau.observe(loss));
    // Two bad ones reduce; of the two that follow none counts; then again two.
    expect(rates).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2]);
  });

  it("goes by a share of the best, or by a distance, upwards too", () => {
    const least = reduceOnPlateau({ learningRate: 1, patience: 0, threshold: 0.1 });
    expect([10, 9.5, 8.9].map((loss) => least.observe(loss))).toEqual([1, 0.1, 0.1]);
    const most = reduceOnPlateau({
      learningRate: 1,
      patience: 0,
      threshold: 1,
      thresholdMode: "abs",
      mode: "max",
    });
    expect([10, 11.5, 12].map((score) => most.observe(score))).toEqual([1, 1, 0.1]);
  });

  it("follows a trainer's epochs", () => {
    const set: number[] = [];
    const listen = reduceOnPlateau({ learningRate: 1, patience: 0 }).follow({
      setLearningRate: (v) => set.push(v),
    });
    const events = [
      { event: "epoch", loss: 1, valLoss: 2 },
      { event: "progress" },
      { event: "epoch", loss: 0.5, valLoss: 2 },
    ];
    for (const event of events) listen(event);
    expect(set).toEqual([0.1]);
  });

  it("lowers the trainer's own rate, whatever it began with", () => {
    const trainer = {
      learningRate: 0.001,
      setLearningRate(value: number) {
        trainer.learningRate = Math.fround(value);
      },
    };
    const listen = reduceOnPlateau({ learningRate: 0.1, patience: 0 }).follow(trainer);
    const rates = [1, 1, 1].map((loss) => {
      listen({ event: "epoch", loss } as { event: string });
      return trainer.learningRate;
    });
    expect(rates.map((v) => v.toPrecision(6))).toEqual(["0.00100000", "0.000100000", "0.0000100000"]);
    trainer.learningRate = 1;
    listen({ event: "epoch", loss: 1 } as { event: string });
    expect(trainer.learningRate).toBeCloseTo(0.1, 6);
    const most = reduceOnPlateau({ learningRate: 0.1, mode: "max" });
    expect(() => most.follow(trainer)).toThrow(/follow observes losses/);
  });
});

describe("schedules refuse", () => {
  it.each([
    [
      "a rate of 0",
      () => optim.cosine({ learningRate: 0, steps: 5 }),
      /cosine: learningRate must be a number above 0, got 0/,
    ],
    [
      "no steps",
      () => optim.polynomial({ learningRate: 1, steps: 0 }),
      /polynomial: steps must be a whole number/,
    ],
    [
      "a gamma of 0",
      () => optim.step({ learningRate: 1, stepSize: 2, gamma: 0 }),
      /step: gamma must be above 0/,
    ],
    [
      "a power of 0",
      () => optim.polynomial({ learningRate: 1, steps: 2, power: 0 }),
      /power must be above 0/,
    ],
    ["no rise", () => optim.oneCycle({ learningRate: 1, steps: 3 }), /riseShare of 3 steps/],
    [
      "milestones too few",
      () => optim.sequence([optim.constant({ learningRate: 1 })], [3]),
      /one milestone less, got 1/,
    ],
    [
      "milestones that go back",
      () => {
        const one = optim.constant({ learningRate: 1 });
        return optim.sequence([one, one, one], [3, 3]);
      },
      /milestones must be whole, above 0 and ascending, got 3, 3/,
    ],
    [
      "a factor of 1",
      () => reduceOnPlateau({ learningRate: 1, factor: 1 }),
      /factor must be in \(0, 1\), got 1/,
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
