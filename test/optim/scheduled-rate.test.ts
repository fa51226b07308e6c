/** Updates by the step counter, and rates by formula. The formulas themselves are checked in schedules.test.ts. */
import { describe, expect, it } from "vitest";
import { state } from "../../src/graph/tensor.ts";
import { scheduledRate, updateCount, updateIsDue } from "../../src/optim/scheduled-rate.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";

describe("schedule", () => {
  it("counts updates exactly up to 2^24", async () => {
    for (const backend of [new CpuBackend(), await gpuBackend()]) {
      const step = state([1], 0, "u32");
      for (const every of [1, 3]) {
        const count = updateCount(step, every);
        const program = await backend.compile({ outputs: [count] });
        for (const at of [0, 1, 2, 3, 4, 8, 999_999, 2 ** 24 - 1, 2 ** 24]) {
          backend.write(step, Uint32Array.of(at));
          program.run();
          expect((await program.read(count))[0]).toBe(Math.floor(at / every));
        }
      }
    }
  });

  it("says when an update is due, to the last step that a counter holds", async () => {
    for (const backend of [new CpuBackend(), await gpuBackend()]) {
      const step = state([1], 0, "u32");
      const due = updateIsDue(step, 3);
      const program = await backend.compile({ outputs: [due] });
      for (const at of [0, 1, 2, 3, 5, 999_999, 2 ** 24 + 1, 2 ** 24 + 2, 2 ** 24 + 3, 2 ** 32 - 2]) {
        backend.write(step, Uint32Array.of(at));
        program.run();
        expect((await program.read(due))[0]).toBe((at + 1) % 3 === 0 ? 1 : 0);
      }
    }
  });

  it("scales by the rate that the host may change", async () => {
    for (const backend of [new CpuBackend({ bits: 64 }), await gpuBackend()]) {
      const [step, rate] = [state([1], 0, "u32"), state([1], 0.5)];
      const formula = {
        learningRate: 0.5,
        rate: (t: number) => 0.5 / (1 + t),
        wgsl: (t: string) => `0.5 / (1.0 + ${t})`,
      };
      const lr = scheduledRate(formula, rate, step);
      const program = await backend.compile({ outputs: [lr] });
      for (const [at, to, expected] of [
        [0, 0.5, 0.5],
        [1, 0.5, 0.25],
        [3, 2, 0.5],
      ] as const) {
        backend.write(step, Uint32Array.of(at));
        backend.write(rate, Float32Array.of(to));
        program.run();
        expect((await program.read(lr))[0]).toBeCloseTo(expected, 6);
      }
    }
  });

  it("refuses what is no counter", () => {
    expect(() => updateCount(state([1]))).toThrow(
      /updateCount: does not take f32, got f32\[1\]; convert with ops.cast/,
    );
    expect(() => updateCount(state([1], 0, "u32"), 0)).toThrow(/updateCount: every must be/);
  });
});
