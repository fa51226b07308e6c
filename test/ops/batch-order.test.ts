/** batchOrder: the kernel against the CPU body, and against the samples that gatherBatch takes. */
import { describe, expect, it } from "vitest";
import { input } from "../../src/graph/tensor.ts";
import { batchOrder } from "../../src/ops/data/batch-order.ts";
import type { Shards } from "../../src/ops/data/batch-schedule.ts";
import { gatherBatch } from "../../src/ops/data/gather-batch.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

type Setup = readonly [count: number, batchSize: number, step: number, shuffle: boolean, shards?: Shards];

const setups: readonly Setup[] = [
  [1, 1, 3, true],
  [5, 67, 1, true],
  [37, 8, 4, true],
  [37, 8, 4, false],
  [203, 64, 9, true],
  [2003, 1000, 5, true],
  [60_000, 65, 4_000_000_000, true],
  // Two shards of 16 and one of 5: 5 steps an epoch.
  ...[10, 12, 14, 17].map((step): Setup => [37, 8, step, true, { size: 16, slots: 2 }]),
  [37, 8, 13, false, { size: 8, slots: 3 }],
];

const titleOf = ([count, batchSize, step, shuffle, shards]: Setup) =>
  `${count} by ${batchSize}, step ${step}${shuffle ? "" : ", in order"}${shards ? `, shards of ${shards.size}` : ""}`;

const optionsOf = ([count, batchSize, , , shards]: Setup) => ({
  count,
  batchSize,
  ...(shards && { shards }),
});

checkOp(
  "batchOrder",
  setups.map((setup) => ({
    name: titleOf(setup),
    inputs: [
      { shape: [1], dtype: "u32", data: [setup[2]] },
      { shape: [2], dtype: "u32", data: [0x12345678, 0x9abcdef0] },
    ],
    build(step, key) {
      const made = batchOrder(step!, { ...optionsOf(setup), ...(setup[3] && { shuffleKey: key! }) });
      return [made.samples, made.weights];
    },
  })),
  { gradients: false },
);

describe("takes the samples of gatherBatch, with its weights", () => {
  it.each(setups.map((setup) => [titleOf(setup), setup] as const))("%s", async (_, setup) => {
    const [count, , at, shuffle, shards] = setup;
    const there = shards === undefined ? count : shards.size * shards.slots;
    const [inputs, targets] = [input([there]), input([there], "i32")];
    const [step, key] = [input([1], "u32"), input([2], "u32")];
    const options = { ...optionsOf(setup), ...(shuffle && { shuffleKey: key }) };
    const order = batchOrder(step, options);
    const batch = gatherBatch(inputs, targets, step, { ...options, shape: [] });
    for (const backend of [new CpuBackend(), await gpuBackend()]) {
      const outputs = [order.samples, order.weights, batch.targets, batch.weights];
      const program = await backend.compile({ outputs });
      backend.write(
        targets,
        Int32Array.from({ length: there }, (__, i) => i),
      );
      backend.write(step, Uint32Array.of(at));
      if (shuffle) backend.write(key, Uint32Array.of(11, 2 ** 31 + 5));
      program.run();
      const [samples, weights, expected, counted] = await Promise.all(outputs.map((t) => program.read(t)));
      expect(Array.from(samples!)).toEqual(Array.from(expected!));
      expect(Array.from(weights!)).toEqual(Array.from(counted!));
    }
  });
});

describe("refuses", () => {
  const step = input([1], "u32");
  it("a step or a key of another shape", () => {
    expect(() => batchOrder(input([2], "u32"), { count: 3, batchSize: 2 })).toThrow(
      /batchOrder: step must be u32\[1\], got u32\[2\]/,
    );
    expect(() => batchOrder(step, { count: 3, batchSize: 2, shuffleKey: step })).toThrow(
      /batchOrder: key must be u32\[2\]/,
    );
  });
  it("no samples, batches of none, shards of broken batches", () => {
    expect(() => batchOrder(step, { count: 0, batchSize: 2 })).toThrow(/batchOrder: count must be/);
    expect(() => batchOrder(step, { count: 3, batchSize: 0 })).toThrow(/batchOrder: batchSize must be/);
    expect(() => batchOrder(step, { count: 9, batchSize: 2, shards: { size: 3, slots: 2 } })).toThrow(
      /batchOrder: shards must hold whole batches of 2, got shards of 3 samples/,
    );
  });
});
