/** Cases of the doctor for training steps: optimizers, clipping, batches formed on the device, the record of a step. */

import { packLayout } from "../../graph/pack-layout.ts";
import { state } from "../../graph/tensor.ts";
import { batchOrder } from "../../ops/data/batch-order.ts";
import { gatherBatch } from "../../ops/data/gather-batch.ts";
import { gatherRows } from "../../ops/data/gather-rows.ts";
import { record } from "../../ops/data/record.ts";
import { norm } from "../../ops/reduce/norm.ts";
import { increment } from "../../ops/state/increment.ts";
import { adadelta } from "../../optim/adadelta.ts";
import { adagrad } from "../../optim/adagrad.ts";
import { adam, adamw } from "../../optim/adam.ts";
import { adamax } from "../../optim/adamax.ts";
import { clip } from "../../optim/clip.ts";
import { lamb } from "../../optim/lamb.ts";
import { lion } from "../../optim/lion.ts";
import { muon } from "../../optim/muon.ts";
import { nadam } from "../../optim/nadam.ts";
import type { Optimizer } from "../../optim/optimizer.ts";
import { radam } from "../../optim/radam.ts";
import { rmsprop } from "../../optim/rmsprop.ts";
import { scheduledRate } from "../../optim/scheduled-rate.ts";
import { cosineRestarts, type Schedule, step as stepSchedule, warmUp } from "../../optim/schedules.ts";
import { sgd } from "../../optim/sgd.ts";
import type { Case, Check, Leaf } from "../check.ts";

/** Sizes of two flattened parameters. */
const parameterSizes: readonly (readonly [number, number])[] = [
  [1, 1],
  [13, 65],
  [150, 2400],
];

/** A state in the layout of flattened parameters: a's elements, zeros up to a multiple of 64, b's elements, zeros. */
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

/** States that hold squares; others hold values around 0. */
const SQUARES = ["v", "sum", "change", "largest", "product"];

/** Step 5 of `optimizer`: parameters and all its states are compared. */
const optimizerCase =
  (optimizer: Optimizer) =>
  ([a, b]: readonly [number, number]): Case => {
    const names = Object.keys(optimizer.states([state([a]), state([b])]).packed);
    return {
      name: `${a} and ${b} parameters`,
      leaves: [
        { shape: [a], state: true },
        { shape: [b], state: true },
        { shape: [a] },
        { shape: [b] },
        scalar(5, "u32"),
        scalar(1e-2, "f32"),
        scalar(0, "u32"),
        ...names.map((name) => packed(a, b, SQUARES.includes(name) ? [0.5, 1] : [-0.1, 0.1])),
      ],
      build(p, q, dp, dq, step, learningRate, alarm, ...states) {
        const own = Object.fromEntries(names.map((name, i) => [name, states[i]!]));
        const given = { step: step!, learningRate: learningRate!, alarm: alarm!, packed: own };
        return { updates: optimizer.updates([p!, q!], [dp!, dq!], given) };
      },
    };
  };

const decay = { weightDecay: 0.1 };
const optimizers: readonly (readonly [op: string, Optimizer])[] = [
  ["sgd", sgd({ learningRate: 0.1, ...decay })],
  ["sgd with momentum", sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true, ...decay })],
  ["adam", adam(decay)],
  ["adamw", adamw(decay)],
  ["rmsprop", rmsprop({ ...decay, eps: 1e-4, momentum: 0.9 })],
  ["rmsprop, centered", rmsprop({ ...decay, eps: 1e-4, centered: true, momentum: 0.9 })],
  ["adagrad", adagrad({ ...decay, eps: 1e-4, learningRateDecay: 0.1 })],
  ["lion", lion(decay)],
  ["adam, amsgrad", adam({ ...decay, amsgrad: true })],
  ["adadelta", adadelta({ ...decay, eps: 1e-4 })],
  ["adamax", adamax({ ...decay, eps: 1e-4 })],
  ["nadam", nadam({ ...decay, eps: 1e-4 })],
  ["radam", radam({ ...decay, betas: [0.9, 0.7], eps: 1e-4 })],
  ["lamb", lamb(decay)],
  ["muon", muon({ ...decay, matrices: () => true })],
  ["muon's adamw", muon(decay)],
  ["accumulation and averages", adamw({ ...decay, accumulate: 3, averageDecay: 0.9, clipNorm: 1 })],
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
  kind: "bytes" | "floats" | "tokens",
])[] = [
  [37, 16, 8, 3, "bytes"],
  [37, 13, 8, 4, "bytes"],
  [37, 784, 16, 2, "bytes"],
  [5, 12, 67, 1, "floats"],
  [11, 3, 4, 1_000_000, "floats"],
  [11, 9, 4, 5, "tokens"],
];

const gatherCases = gathers.map(
  ([count, size, batchSize, step, kind]): Case => ({
    name: `${count} of ${size} ${kind}, step ${step}`,
    leaves: [
      kind === "bytes"
        ? { shape: [Math.ceil((count * size) / 4)], dtype: "u32", range: [0, 2 ** 32] }
        : kind === "tokens"
          ? { shape: [count * size], dtype: "i32", range: [0, 1000] }
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
  ...optimizers.map(
    ([op, optimizer]): Check => ({
      op,
      gradients: false,
      fused: true,
      cases: parameterSizes.map(optimizerCase(optimizer)),
    }),
  ),
  { op: "assign", gradients: false, cases: [optimizerCase(adam(decay))([13, 65])] },
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
    op: "batchOrder",
    gradients: false,
    cases: [
      [1, 1, 3],
      [37, 8, 4],
      [1000, 67, 1_000_003],
    ].map(([count = 0, batchSize = 0, step = 0]) => ({
      name: `${count} samples by ${batchSize}, step ${step}`,
      leaves: [scalar(step, "u32"), { shape: [2], dtype: "u32", data: [7, 9] }],
      build(step, shuffleKey) {
        const { samples, weights } = batchOrder(step!, { count, batchSize, shuffleKey: shuffleKey! });
        return { outputs: [samples, weights] };
      },
    })),
  },
  {
    op: "gatherRows",
    gradients: false,
    cases: (["f32", "i32", "u32", "bytes"] as const).flatMap((kind) =>
      [1, 13, 300].map((size): Case => {
        const bytes = kind === "bytes";
        const words = bytes ? Math.ceil((37 * size) / 4) : 37 * size;
        return {
          name: `rows of ${size}, ${kind}`,
          leaves: [
            { shape: [words], dtype: bytes ? "u32" : kind, range: bytes ? [0, 2 ** 32] : [0, 99] },
            { shape: [5], dtype: "u32", data: [36, 0, 5, 5, 17] },
          ],
          build: (data, rows) => ({ outputs: [gatherRows(data!, rows!, { shape: [size], bytes })] }),
        };
      }),
    ),
  },
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
