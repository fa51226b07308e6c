/** gatherBatch: kernels against the CPU body, the order against sampleOrder bit for bit, whole epochs. */
import { describe, expect, it } from "vitest";
import { stepsPerEpoch } from "../../src/geometry/batches.ts";
import { type Data, type Shape, sizeOf } from "../../src/graph/spec.ts";
import { input, state } from "../../src/graph/tensor.ts";
import { sampleOrder } from "../../src/numbers/permutation.ts";
import { Random } from "../../src/numbers/random.ts";
import { type GatherOptions, gatherBatch } from "../../src/ops/data/gather-batch.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";

const random = new Random(3);
const bytes = (n: number) => Uint32Array.from({ length: Math.ceil(n / 4) }, () => random.u32());
const floats = (n: number) => Float32Array.from({ length: n }, () => random.uniform(-1, 1));

interface Setup extends Omit<GatherOptions, "shuffleKey"> {
  /** Default true. */
  readonly shuffle?: boolean;
  readonly step: number;
  readonly float?: boolean;
  readonly whole?: boolean;
  readonly floatTargets?: boolean;
}

function caseOf(name: string, setup: Setup): OpCase {
  const { step, float = false, whole = false, floatTargets = false, shuffle = true, ...options } = setup;
  const { count, shape, targetShape = [] } = options;
  const there = setup.shards === undefined ? count : setup.shards.size * setup.shards.slots;
  const size = there * sizeOf(shape);
  const targets = there * sizeOf(targetShape);
  const data: Data = whole
    ? Int32Array.from(bytes(4 * size), (word) => word | 0)
    : float
      ? floats(size)
      : bytes(size);
  return {
    name,
    inputs: [
      { shape: [data.length], dtype: whole ? "i32" : float ? "f32" : "u32", data },
      floatTargets
        ? { shape: [targets], dtype: "f32", data: floats(targets) }
        : { shape: [targets], dtype: "i32", data: Array.from({ length: targets }, (_, i) => i % 10) },
      { shape: [1], dtype: "u32", data: [step] },
      { shape: [2], dtype: "u32", data: [0x12345678, 0x9abcdef0] },
    ],
    build(inputs, labels, stepTensor, key) {
      const {
        x,
        targets: y,
        weights,
      } = gatherBatch(inputs!, labels!, stepTensor!, {
        ...options,
        ...(shuffle ? { shuffleKey: key! } : {}),
      });
      return [x, y, weights];
    },
  };
}

const shapes: readonly Shape[] = [[1], [3], [4], [13], [1, 28, 28], [3, 5, 7], [3, 8, 8], [2, 3]];

checkOp(
  "gatherBatch",
  [
    ...shapes.map((shape) => caseOf(`[${shape}] bytes`, { count: 37, shape, batchSize: 8, step: 7 })),
    ...shapes.map((shape) =>
      caseOf(`[${shape}] floats`, { count: 37, shape, batchSize: 8, step: 4, float: true }),
    ),
    ...shapes.map((shape) =>
      caseOf(`[${shape}] whole numbers`, {
        count: 37,
        shape,
        targetShape: shape,
        batchSize: 8,
        step: 4,
        whole: true,
      }),
    ),
    caseOf("one sample, batch of one", { count: 1, shape: [5], batchSize: 1, step: 3 }),
    caseOf("batch larger than the data", { count: 5, shape: [1, 4, 4], batchSize: 67, step: 1 }),
    caseOf("batch of a thousand", { count: 2003, shape: [1, 6, 6], batchSize: 1000, step: 5 }),
    caseOf("in order", { count: 100, shape: [12], batchSize: 16, step: 6, shuffle: false }),
    caseOf("late step", { count: 60000, shape: [4], batchSize: 64, step: 4_000_000_000 }),
    caseOf("scale and offset", { count: 20, shape: [2, 2], batchSize: 4, step: 2, scale: 0.5, offset: -3 }),
    caseOf("mean and deviation per channel, planes of 25", {
      count: 20,
      shape: [3, 5, 5],
      batchSize: 7,
      step: 2,
      scale: [1 / 63, 1 / 62, 1 / 66],
      offset: [-1.9, -1.8, -1.7],
    }),
    caseOf("mean and deviation per channel, planes of 6", {
      count: 20,
      shape: [2, 2, 3],
      batchSize: 7,
      step: 0,
      scale: [1 / 63, 1 / 62],
      offset: -1,
    }),
    // 37 samples: two shards of 16 and one of 5, 5 steps an epoch.
    ...[10, 12, 14, 17].map((step) =>
      caseOf(`shards in two slots, step ${step}`, {
        count: 37,
        shape: [1, 4, 5],
        batchSize: 8,
        step,
        shards: { size: 16, slots: 2 },
      }),
    ),
    caseOf("shards in three slots, in order", {
      count: 37,
      shape: [3],
      targetShape: [2],
      batchSize: 8,
      step: 13,
      float: true,
      floatTargets: true,
      shuffle: false,
      shards: { size: 8, slots: 3 },
    }),
    caseOf("target values", {
      count: 31,
      shape: [13],
      targetShape: [3],
      batchSize: 8,
      step: 9,
      float: true,
      floatTargets: true,
    }),
    caseOf("more targets than inputs", {
      count: 9,
      shape: [2],
      targetShape: [5, 13],
      batchSize: 4,
      step: 2,
      floatTargets: true,
    }),
  ],
  { gradients: false, variants: [{ gatherBatch: "long" }, { gatherBatch: "short" }] },
);

describe("the order", () => {
  for (const count of [1, 2, 3, 5, 16, 17, 64, 65, 1000, 60000, 65537]) {
    it(`of ${count} samples is sampleOrder's, on both backends`, async () => {
      const batchSize = Math.min(count, 2048);
      const targets = Int32Array.from({ length: count }, (_, i) => i);
      const leaves = [
        input([count], "f32"),
        input([count], "i32"),
        input([1], "u32"),
        input([2], "u32"),
      ] as const;
      const made = gatherBatch(leaves[0], leaves[1], leaves[2], {
        count,
        shape: [1],
        batchSize,
        shuffleKey: leaves[3],
      });
      for (const backend of [new CpuBackend(), await gpuBackend()]) {
        const program = await backend.compile({ outputs: [made.targets] });
        backend.write(leaves[0], Float32Array.from(targets));
        backend.write(leaves[1], targets);
        for (const [epoch, key] of [
          [0, [0, 0]],
          [1, [0, 0]],
          [2, [0xffffffff, 0x80000001]],
          [65_000, [7, 2 ** 20]],
        ] as const) {
          backend.write(leaves[2], Uint32Array.of(epoch * stepsPerEpoch(count, batchSize)));
          backend.write(leaves[3], Uint32Array.from(key));
          program.run();
          const expected = Array.from({ length: batchSize }, (_, i) => sampleOrder(i, count, epoch, key));
          expect(Array.from(await program.read(made.targets))).toEqual(expected);
        }
      }
    });
  }

  it("is another one in every epoch and for every key", () => {
    const order = (epoch: number, key: readonly [number, number]) =>
      Array.from({ length: 50 }, (_, i) => sampleOrder(i, 50, epoch, key)).join();
    const orders = [order(0, [1, 0]), order(1, [1, 0]), order(0, [2, 0]), order(0, [1, 1]), order(2, [1, 0])];
    expect(new Set(orders).size).toBe(orders.length);
  });

  it("takes every sample exactly once per epoch, counting weights", async () => {
    const [count, batchSize] = [203, 32];
    const targets = Int32Array.from({ length: count }, (_, i) => i);
    const leaves = [
      input([51], "u32"),
      input([count], "i32"),
      state([1], 0, "u32", "step"),
      input([2], "u32"),
    ] as const;
    const made = gatherBatch(leaves[0], leaves[1], leaves[2], {
      count,
      shape: [1],
      batchSize,
      shuffleKey: leaves[3],
    });
    const gpu = await gpuBackend();
    const program = await gpu.compile({ outputs: [made.x, made.targets, made.weights] });
    gpu.write(leaves[1], targets);
    gpu.write(
      leaves[0],
      Uint32Array.from({ length: 51 }, () => 0x01010101),
    );
    const seen = new Uint8Array(count);
    for (let step = 7; step < 14; step++) {
      gpu.write(leaves[2], Uint32Array.of(step));
      program.run();
      const [x, y, weights] = [
        await program.read(made.x),
        await program.read(made.targets),
        await program.read(made.weights),
      ];
      weights.forEach((w, b) => {
        if (w === 1) seen[y[b] as number]!++;
        // Past the end the epoch begins again, for statistics over the batch.
        const place = ((step - 7) * batchSize + b) % count;
        expect([y[b], x[b]]).toEqual([sampleOrder(place, count, 1, [0, 0]), Math.fround(1 / 255)]);
      });
    }
    expect(seen.every((times) => times === 1)).toBe(true);
  });
});

describe("refuses", () => {
  it("to scale whole numbers", () => {
    const options = { count: 2, shape: [3], batchSize: 2, scale: 2 };
    expect(() => gatherBatch(input([6], "i32"), input([2], "i32"), input([1], "u32"), options)).toThrow(
      /gatherBatch: i32 inputs can't be scaled, got scale 2 and offset 0/,
    );
  });
  const step = input([1], "u32");
  const options = { count: 10, shape: [3], batchSize: 4 };
  it("inputs of the wrong length", () => {
    expect(() => gatherBatch(input([9], "u32"), input([10], "i32"), step, options)).toThrow(
      /gatherBatch: inputs must hold 8 values, got u32\[9\]/,
    );
  });
  it("targets of the wrong length", () => {
    expect(() => gatherBatch(input([30]), input([20], "i32"), step, options)).toThrow(
      /gatherBatch: targets must hold 10 values, got i32\[20\]/,
    );
  });
  it("a key that is no key", () => {
    expect(() =>
      gatherBatch(input([30]), input([10], "i32"), step, { ...options, shuffleKey: step }),
    ).toThrow(/gatherBatch: key must hold 2 values/);
  });
  it("a batch of none", () => {
    expect(() => gatherBatch(input([30]), input([10], "i32"), step, { ...options, batchSize: 0 })).toThrow(
      /gatherBatch: batchSize must be a whole number of at least 1, got 0/,
    );
  });
  it("shards that don't hold whole batches, or whose slots are not there", () => {
    const shards = { size: 6, slots: 2 };
    expect(() => gatherBatch(input([36]), input([12], "i32"), step, { ...options, shards })).toThrow(
      /gatherBatch: shards must hold whole batches of 4, got shards of 6 samples/,
    );
    expect(() =>
      gatherBatch(input([24]), input([8], "i32"), step, { ...options, shards: { size: 4, slots: 3 } }),
    ).toThrow(/gatherBatch: inputs must hold 36 values/);
  });
  it("scales that are not one per channel", () => {
    expect(() => gatherBatch(input([30]), input([10], "i32"), step, { ...options, scale: [1, 2] })).toThrow(
      /gatherBatch: scale and offset must hold 3 finite numbers/,
    );
  });
});
