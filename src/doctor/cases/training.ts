/** What only training has: optimizers, clipping, batches formed on the device, the record of a step. */

import { packLayout } from "../../graph/pack-layout.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { gatherBatch } from "../../ops/data/gather-batch.ts";
import { record } from "../../ops/data/record.ts";
import { norm } from "../../ops/reduce/norm.ts";
import { pack } from "../../ops/shape/pack.ts";
import { increment } from "../../ops/state/increment.ts";
import { clip } from "../../optim/clip.ts";
import { cosineRestarts, type Schedule, step as stepSchedule, warmUp } from "../../optim/schedules.ts";
import { accumulateUpdate } from "../../optim/updates/accumulate.ts";
import { adagradUpdate } from "../../optim/updates/adagrad.ts";
import { adamUpdate } from "../../optim/updates/adam.ts";
import { averageUpdate } from "../../optim/updates/average.ts";
import { lionUpdate } from "../../optim/updates/lion.ts";
import { rmspropUpdate } from "../../optim/updates/rmsprop.ts";
import { scheduledRate } from "../../optim/updates/schedule.ts";
import { sgdUpdate } from "../../optim/updates/sgd.ts";
import type { Case, Check, Leaf } from "../check.ts";

/** Sizes of two packed parameters. */
const parameterSizes: readonly (readonly [number, number])[] = [
  [1, 1],
  [13, 65],
  [150, 2400],
];

/** A state in pack layout: a's elements, zeros up to a multiple of 64, b's elements, zeros. */
function packed(a: number, b: number, [low, high]: readonly [number, number]): Leaf {
  const { offsets, words } = packLayout([a, b]);
  const second = offsets[1] as number;
  const data = Array.from({ length: words }, (_, i) =>
    i < a || (i >= second && i < second + b) ? low + ((high - low) * ((i * 7) % 13)) / 13 : 0,
  );
  return { shape: [words], state: true, data };
}

const scalar = (value: number, dtype: "f32" | "u32"): Leaf => ({
  shape: [1],
  dtype,
  data: [value],
  state: true,
});

const parametersAndGradients = (a: number, b: number): Leaf[] => [
  { shape: [a], state: true },
  { shape: [b], state: true },
  { shape: [a] },
  { shape: [b] },
];

const adamCase =
  (decoupled: boolean) =>
  ([a, b]: readonly [number, number]): Case => ({
    name: `${a} and ${b} parameters`,
    leaves: [
      ...parametersAndGradients(a, b),
      packed(a, b, [-1, 1]),
      packed(a, b, [0.1, 1]),
      scalar(3, "u32"),
      scalar(1e-3, "f32"),
    ],
    build(p, q, dp, dq, m, v, step, lr) {
      const tensors = { p: pack([p!, q!]), g: pack([dp!, dq!]), m: m!, v: v!, step: step!, lr: lr! };
      const attrs = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, maximize: false, decoupled };
      return { updates: [adamUpdate(tensors, attrs)] };
    },
  });

const sgdCase =
  (momentum: number) =>
  ([a, b]: readonly [number, number]): Case => ({
    name: `${a} and ${b} parameters`,
    leaves: [
      ...parametersAndGradients(a, b),
      scalar(0.1, "f32"),
      ...(momentum === 0 ? [] : [packed(a, b, [-1, 1]), scalar(1, "u32")]),
    ],
    build(p, q, dp, dq, lr, velocity, step) {
      const moving = velocity === undefined || step === undefined ? {} : { velocity, step };
      const tensors = { p: pack([p!, q!]), g: pack([dp!, dq!]), lr: lr!, ...moving };
      const attrs = { momentum, dampening: 0, nesterov: momentum !== 0, weightDecay: 0.01, maximize: false };
      return { updates: [sgdUpdate(tensors, attrs)] };
    },
  });

type Update = (tensors: { p: Tensor; g: Tensor; m: Tensor; v: Tensor; step: Tensor; lr: Tensor }) => Node;

/** Updates of p and of states of their own: m around 0 and v, which holds squares. `changes` says which are in use. */
const updateCase =
  (changes: string, update: Update) =>
  ([a, b]: readonly [number, number]): Case => {
    const used = (name: string, { state: _, ...leaf }: Leaf): Leaf =>
      changes.includes(name) ? { ...leaf, state: true } : leaf;
    return {
      name: `${a} and ${b} parameters`,
      leaves: [
        used("p", { shape: [a] }),
        used("p", { shape: [b] }),
        { shape: [a] },
        { shape: [b] },
        used("m", packed(a, b, [-0.1, 0.1])),
        used("v", packed(a, b, [0.5, 1])),
        { shape: [1], dtype: "u32", data: [3] },
        { shape: [1], data: [1e-2] },
      ],
      build: (p, q, dp, dq, m, v, step, lr) => ({
        updates: [update({ p: pack([p!, q!]), g: pack([dp!, dq!]), m: m!, v: v!, step: step!, lr: lr! })],
      }),
    };
  };

const shared = { eps: 1e-4, weightDecay: 0.1, maximize: false };
const updateChecks: readonly (readonly [op: string, changes: string, Update])[] = [
  [
    "rmsprop",
    "pmv",
    ({ v, m, ...t }) =>
      rmspropUpdate({ ...t, v, velocity: m }, { ...shared, alpha: 0.99, momentum: 0.9, centered: false }),
  ],
  [
    "rmsprop, centered",
    "pmv",
    ({ v, m, ...t }) =>
      rmspropUpdate({ ...t, v, mean: m }, { ...shared, alpha: 0.99, momentum: 0, centered: true }),
  ],
  [
    "adagrad",
    "pv",
    ({ v, m: _, ...t }) => adagradUpdate({ ...t, total: v }, { ...shared, learningRateDecay: 0.1 }),
  ],
  [
    "lion",
    "pm",
    ({ v: _, ...t }) => lionUpdate(t, { weightDecay: 0.1, maximize: false, beta1: 0.9, beta2: 0.99 }),
  ],
  ["accumulate", "m", ({ m, g, step }) => accumulateUpdate({ kept: m, total: g, step }, 3)],
  ["average", "pm", ({ m, p, step }) => averageUpdate({ average: m, p, step }, { decay: 0.9 })],
];

const rates: readonly (readonly [string, Schedule])[] = [
  ["cosine restarts", cosineRestarts({ learningRate: 0.1, period: 10, factor: 2 })],
  ["warm-up, then steps", warmUp({ steps: 5 }, stepSchedule({ learningRate: 0.1, stepSize: 7 }))],
];

const gathers: readonly (readonly [
  count: number,
  size: number,
  batch: number,
  step: number,
  bytes: boolean,
])[] = [
  [37, 16, 8, 3, true],
  [37, 13, 8, 4, true],
  [37, 784, 16, 2, true],
  [5, 12, 67, 1, false],
  [11, 3, 4, 1_000_000, false],
];

const gatherCases = gathers.map(
  ([count, size, batchSize, step, bytes]): Case => ({
    name: `${count} of ${size} ${bytes ? "bytes" : "floats"}, step ${step}`,
    leaves: [
      bytes
        ? { shape: [Math.ceil((count * size) / 4)], dtype: "u32", range: [0, 2 ** 32] }
        : { shape: [count * size] },
      { shape: [count], dtype: "i32", range: [0, 10] },
      { shape: [1], dtype: "u32", data: [step] },
      { shape: [2], dtype: "u32", data: [7, 9] },
    ],
    build(inputs, targets, step, shuffleKey) {
      const batch = gatherBatch(inputs!, targets!, step!, {
        count,
        shape: [size],
        batchSize,
        shuffleKey: shuffleKey!,
      });
      return { outputs: [batch.x, batch.targets, batch.weights] };
    },
  }),
);

export const trainingChecks: readonly Check[] = [
  { op: "sgd", gradients: false, cases: parameterSizes.map(sgdCase(0)) },
  { op: "sgd with momentum", gradients: false, cases: parameterSizes.map(sgdCase(0.9)) },
  { op: "adam", gradients: false, cases: parameterSizes.map(adamCase(false)) },
  { op: "adamw", gradients: false, cases: parameterSizes.map(adamCase(true)) },
  ...updateChecks.map(
    ([op, changes, update]): Check => ({
      op,
      gradients: false,
      cases: parameterSizes.map(updateCase(changes, update)),
    }),
  ),
  {
    op: "schedule",
    gradients: false,
    cases: rates.flatMap(([name, schedule]) =>
      [0, 4, 70].map(
        (step): Case => ({
          name: `${name}, step ${step}`,
          leaves: [
            { shape: [1], data: [0.1] },
            { shape: [1], dtype: "u32", data: [step] },
          ],
          build: (rate, step) => scheduledRate(schedule, rate!, step!),
        }),
      ),
    ),
  },
  {
    op: "clip",
    gradients: false,
    cases: [1, 67, 4099].map((size) => ({
      name: `${size} gradients`,
      leaves: [{ shape: [size] }],
      build: (g) => ({ outputs: [norm(g!), clip(g!, { clipNorm: 0.5, clipValue: 0.9 })] }),
    })),
  },
  { op: "gatherBatch", gradients: false, cases: gatherCases },
  {
    op: "increment",
    gradients: false,
    cases: [0, 2 ** 31].map((from) => ({
      name: `from ${from}`,
      leaves: [scalar(from, "u32")],
      build: (counter) => ({ updates: [increment(counter!)] }),
    })),
  },
  {
    op: "record",
    gradients: false,
    cases: [0, 6, 13].flatMap((step) =>
      [1, 80].map((size) => ({
        name: `step ${step}, ${size + 1} numbers`,
        leaves: [
          { shape: [7, size + 1], state: true },
          scalar(step, "u32"),
          { shape: [] },
          { shape: [size] },
        ],
        build: (ring, step, a, b) => ({ updates: [record(ring!, step!, [a!, b!])] }),
      })),
    ),
  },
  {
    op: "record with an alarm",
    gradients: false,
    cases: [0, 1].flatMap((alarm) =>
      [1, 80].map((size) => ({
        name: `alarm ${alarm}, ${size} numbers`,
        leaves: [
          { shape: [7, size + 1], state: true },
          scalar(13, "u32"),
          { shape: [size] },
          scalar(alarm, "u32"),
        ],
        build: (ring, step, a, bell) => ({ updates: [record(ring!, step!, [a!], bell!)] }),
      })),
    ),
  },
];
