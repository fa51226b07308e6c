/** flagNonFinite: one NaN or infinity anywhere sets the flag, and nothing resets it. */
import { expect, it } from "vitest";
import { input, state } from "../../src/graph/tensor.ts";
import { flagNonFinite } from "../../src/ops/state/flag-non-finite.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { ShapeError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";

it.each([1, 3, 64, 8195, 20_000])("watches %i values", async (size) => {
  for (const backend of [new CpuBackend(), await gpuBackend()]) {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const at of new Set([0, size >> 1, size - 1])) {
        const [flag, x] = [state([1], 0, "u32"), input([size])];
        const program = await backend.compile({ outputs: [], updates: [flagNonFinite(flag, x)] });
        const run = async (data: Float32Array) => {
          backend.write(x, data);
          program.run();
          return (await backend.read(flag))[0];
        };
        const healthy = new Float32Array(size).fill(3e38);
        expect(await run(healthy)).toBe(0);
        expect(await run(healthy.with(at, bad))).toBe(1);
        expect(await run(healthy)).toBe(1);
      }
    }
  }
});

it("refuses other flags", () => {
  expect(() => flagNonFinite(state([1]), input([3]))).toThrow(ShapeError);
  expect(() => flagNonFinite(state([2], 0, "u32"), input([3]))).toThrow(/flag must hold one number/);
});
