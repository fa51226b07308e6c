/**
 * runningStats: PyTorch's momentum and unbiased variance, the cumulative average, many channels, refusals; and together with
 * the moments that they follow: fused = unfused = CPU, in every variant, and when the fusion is (not) made.
 */
import { describe, expect, it } from "vitest";
import type { Shape } from "../../src/graph/spec.ts";
import { input, type Node, state, type Tensor } from "../../src/graph/tensor.ts";
import { Random } from "../../src/numbers/random.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { batchNorm } from "../../src/ops/norm/normalize.ts";
import { updateRunningStats } from "../../src/ops/norm/running-stats.ts";
import type { Backend, CompileOptions } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
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

function tracked(shape: Shape, momentum: number | null = 0.1) {
  const C = shape[1]!;
  const x = input(shape);
  const running = { mean: state([C]), variance: state([C], 1), count: state([], 0, "i32") };
  const { y, mean, variance } = batchNorm(x);
  const update = updateRunningStats(running, { mean, variance, samples: x.size / C }, momentum);
  return { x, y, mean, running, update };
}

describe("by the kernel that takes the statistics", () => {
  async function train(backend: Backend, shape: Shape, options?: CompileOptions) {
    const { x, y, mean, running, update } = tracked(shape);
    const program = await backend.compile({ outputs: [y, mean], updates: [update] }, options);
    for (let batch = 0; batch < 3; batch++) {
      const random = new Random(3, batch);
      backend.write(
        x,
        Float32Array.from({ length: x.size }, () => batch + random.uniform()),
      );
      program.run();
    }
    const outputs = await Promise.all([program.read(y), program.read(mean)]);
    const states = await backend.readAll([running.mean, running.variance, running.count]);
    return { values: [...outputs, ...states], steps: program.describe().steps };
  }

  it.each([[[4, 3]], [[65, 7]], [[2, 5, 3, 7]], [[1, 2, 20, 10]], [[8, 70, 4, 4]]])(
    "[%s], three batches",
    async (shape) => {
      const truth = await train(new CpuBackend({ bits: 64 }), shape);
      const gpu = await gpuBackend();
      const forced = ["parts", "shared", "shared8"].map((moments) => ({ variants: { moments } }));
      for (const options of [{}, { fuse: false }, ...forced]) {
        const { values, steps } = await train(gpu, shape, options);
        truth.values.forEach((expected, i) => {
          expectClose(`${JSON.stringify(options)}, ${i}`, values[i]!, expected, [expected.length], {
            atol: 1e-5,
          });
        });
        expect(steps.some((s) => s.includes("runningStats"))).toBe("fuse" in options);
      }
    },
  );

  it("only where nobody else has to do with the states, and not for the average of all batches", async () => {
    const gpu = await gpuBackend();
    const stepsOf = async (outputs: Tensor[], updates: Node[]) =>
      (await gpu.compile({ outputs, updates })).describe().steps.join();
    const { y, running, update } = tracked([8, 4]);
    expect(await stepsOf([y], [update])).not.toContain("runningStats");
    expect(await stepsOf([y, running.mean], [update])).not.toContain("runningStats");
    expect(await stepsOf([y, mul(running.mean, 2)], [update])).toContain("runningStats");
    const again = tracked([8, 4]);
    const batch = { mean: again.mean, variance: again.mean, samples: 8 };
    expect(await stepsOf([y], [update, updateRunningStats(running, batch)])).toContain("runningStats");
    const all = tracked([8, 4], null);
    expect(await stepsOf([all.y], [all.update])).toContain("runningStats");
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
