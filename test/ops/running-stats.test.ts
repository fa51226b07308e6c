/** runningStats: PyTorch's momentum and unbiased variance, the cumulative average, many channels, refusals. */
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend.ts";
import { CpuBackend } from "../../src/cpu/backend.ts";
import { updateRunningStats } from "../../src/ops/running-stats.ts";
import { input, state } from "../../src/tensor.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";

const backends = [
  ["cpu", async (): Promise<Backend> => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const;

describe.each(backends)("running statistics on %s", (_, open) => {
  it.each([1, 63, 64, 65, 130])("%i channels, three batches", async (C) => {
    const backend = await open();
    for (const momentum of [0.1, null]) {
      const running = { mean: state([C]), variance: state([C], 1), count: state([], 0, "i32") };
      const [mean, variance] = [input([C]), input([C])];
      const update = updateRunningStats(running, { mean, variance, samples: 5 }, momentum);
      const program = await backend.compile({ outputs: [], updates: [update] });
      let expected = [0, 1] as [number, number];
      for (let batch = 1; batch <= 3; batch++) {
        backend.write(mean, new Float32Array(C).fill(batch));
        backend.write(variance, new Float32Array(C).fill(batch / 2));
        program.run();
        const f = momentum ?? 1 / batch;
        expected = [(1 - f) * expected[0] + f * batch, (1 - f) * expected[1] + ((f * batch) / 2) * (5 / 4)];
      }
      const all = (value: number) => new Array<number>(C).fill(value);
      expectClose("mean", await backend.read(running.mean), all(expected[0]), [C]);
      expectClose("variance", await backend.read(running.variance), all(expected[1]), [C]);
      expect([...(await backend.read(running.count))]).toEqual([3]);
    }
  });
});

it("refuses shapes that do not belong together, and single values", () => {
  const running = { mean: state([3]), variance: state([3], 1), count: state([], 0, "i32") };
  const [mean, variance] = [input([3]), input([3])];
  expect(() => updateRunningStats(running, { mean, variance, samples: 1 })).toThrow(
    /runningStats: needs more than one value per channel/,
  );
  expect(() => updateRunningStats(running, { mean: input([4]), variance, samples: 2 })).toThrow(
    /runningStats: all must have one value per channel/,
  );
  expect(() => updateRunningStats({ ...running, count: state([1]) }, { mean, variance, samples: 2 })).toThrow(
    /runningStats: count must be one i32/,
  );
});
