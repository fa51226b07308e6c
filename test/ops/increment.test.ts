/** increment: counts runs on every backend, after everything that reads the counter. */
import { describe, expect, it } from "vitest";
import { state } from "../../src/graph/tensor.ts";
import { increment } from "../../src/ops/state/increment.ts";
import { updateCount } from "../../src/optim/scheduled-rate.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { ShapeError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["CPU", async () => new CpuBackend()],
  ["GPU", gpuBackend],
];

describe.each(backends)("increment, %s", (_, open) => {
  it("adds one a run, which readers of that run don't see", async () => {
    const backend = await open();
    const counter = state([1], 2 ** 31, "u32", "counter");
    const small = state([1], 5, "u32");
    const seen = updateCount(small);
    const program = await backend.compile({
      outputs: [seen],
      updates: [increment(counter), increment(small)],
    });
    program.run();
    expect([...(await program.read(seen))]).toEqual([5]);
    program.run(7);
    expect([...(await program.read(seen))]).toEqual([12]);
    expect([...(await backend.read(small))]).toEqual([13]);
    expect([...(await backend.read(counter))]).toEqual([2 ** 31 + 8]);
  });
});

it("increment refuses other counters", () => {
  expect(() => increment(state([1]))).toThrow(ShapeError);
  expect(() => increment(state([2], 0, "u32"))).toThrow(/increment: counter must hold one number/);
});
