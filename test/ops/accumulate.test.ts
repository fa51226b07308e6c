/** The memory of gradient accumulation: keeps the total, and forgets it when a step was taken. */
import { describe, expect, it } from "vitest";
import { state } from "../../src/graph/tensor.ts";
import { accumulateOp, accumulateUpdate } from "../../src/optim/updates/accumulate.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { numbers, runUpdate, stateOf } from "../support/update-run.ts";

describe("accumulate", () => {
  for (const size of [1, 3, 64, 255, 257, 20_001]) {
    it(`${size} values`, async () => {
      for (const backend of [new CpuBackend(), await gpuBackend()]) {
        for (const [at, every, kept0] of [
          [0, 3, false],
          [1, 3, false],
          [2, 3, true],
          [5, 3, true],
          [9, 1, true],
        ] as const) {
          const [kept, total] = [stateOf(numbers(size, 0)), stateOf(numbers(size, 1))];
          const update = accumulateUpdate({ kept, total, step: stateOf(Uint32Array.of(at)) }, every);
          const [values] = await runUpdate(backend, update, [kept]);
          const expected = kept0 ? new Float32Array(size) : numbers(size, 1);
          expectClose(`step ${at}`, values!, expected, [size], { atol: 0, rtol: 0 });
        }
      }
    });
  }

  it("refuses other shapes and counts", () => {
    const step = state([1], 0, "u32");
    expect(() => accumulateUpdate({ kept: state([3]), total: state([4]), step }, 2)).toThrow(/one shape/);
    expect(() => accumulateUpdate({ kept: state([3]), total: state([3]), step }, 0)).toThrow(
      /accumulate: every must be/,
    );
    expect(accumulateOp.mutates).toEqual(["kept"]);
  });
});
