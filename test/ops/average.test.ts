/** The moving average of weights: follows new weights, begins with them, and sleeps between updates. */
import { describe, expect, it } from "vitest";
import { state } from "../../src/graph/tensor.ts";
import { averageUpdate } from "../../src/optim/updates/average.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { numbers, runUpdate, stateOf } from "../support/update-run.ts";

describe("average", () => {
  for (const size of [1, 3, 64, 255, 257, 20_001]) {
    it(`${size} values`, async () => {
      const [a, w] = [numbers(size, 0), numbers(size, 1)];
      for (const backend of [new CpuBackend({ bits: 64 }), await gpuBackend()]) {
        for (const [at, every, blended] of [
          [0, 1, 0.1],
          [4, 1, 1],
          [4, 3, undefined],
          [5, 3, 1],
          [2, 3, 0.1],
        ] as const) {
          const [average, p] = [stateOf(a), stateOf(w)];
          const update = averageUpdate(
            { average, p, step: stateOf(Uint32Array.of(at)) },
            { decay: 0.9, every },
          );
          const [values, weights] = await runUpdate(backend, update, [average, p]);
          const expected = Float64Array.from(a, (v, i) =>
            blended === undefined ? v : blended === 1 ? 0.9 * v + 0.1 * w[i]! : w[i]!,
          );
          expectClose(`step ${at} of every ${every}`, values!, expected, [size]);
          expectClose("weights", weights!, w, [size], { atol: 0, rtol: 0 });
        }
      }
    });
  }

  it("refuses other shapes", () => {
    const [p, step] = [state([4]), state([1], 0, "u32")];
    expect(() => averageUpdate({ average: state([3]), p, step }, { decay: 0.5 })).toThrow(/one shape/);
    expect(() => averageUpdate({ average: p, p, step: p }, { decay: 0.5 })).toThrow(/step must be u32/);
  });
});
