/** The adagrad update: its kernel against its CPU body. Its algorithm is checked in test/optim/optimizers.test.ts. */
import { describe, expect, it } from "vitest";
import { constant, input, state } from "../../src/graph/tensor.ts";
import { adagradUpdate } from "../../src/optim/updates/adagrad.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkUpdate, numbers, runUpdate, stateOf } from "../support/update-run.ts";

const standard = { eps: 1e-4, learningRateDecay: 0.1, weightDecay: 0.1, maximize: false };

describe("adagrad update", () => {
  for (const size of [1, 3, 64, 255, 256, 257, 2049, 61_888]) {
    for (const [at, every] of [
      [0, 1],
      [7, 1],
      [7, 4],
      [6, 4],
    ] as const) {
      it(`${size} values, step ${at}, every ${every}`, () =>
        checkUpdate("adagrad", () => {
          const [p, g] = [stateOf(numbers(size, 0), "p"), stateOf(numbers(size, 1))];
          const total = stateOf(numbers(size, 2, 0.1, 1), "total");
          const [lr, step] = [stateOf([0.05]), stateOf(Uint32Array.of(at))];
          const groups = size % 64 === 0 ? constant(numbers(2 * size, 5, 0, 1), [2, size]) : undefined;
          const update = adagradUpdate({ p, g, total, lr, step, groups }, { ...standard, every });
          return { update, changed: [p, total] };
        }));
    }
  }

  it("lets NaN through, so that it shows", async () => {
    const [p, g, total] = [stateOf([1, 2, 3, 4]), stateOf([Number.NaN, 1, 1, 1]), state([4])];
    const [lr, step] = [stateOf([0.1]), stateOf(Uint32Array.of(0))];
    const [values] = await runUpdate(await gpuBackend(), adagradUpdate({ p, g, total, lr, step }, standard), [
      p,
    ]);
    expect(values?.[0]).toBeNaN();
    expect(values?.[1]).toBeLessThan(2);
  });

  it("refuses states of another shape and a step that is no counter", () => {
    const [p, g, total, lr, step] = [state([4]), input([4]), state([4]), state([1]), state([1], 0, "u32")];
    expect(() => adagradUpdate({ p, g, total: state([8]), lr, step }, standard)).toThrow(
      /must have one shape/,
    );
    expect(() => adagradUpdate({ p, g, total, lr, step: lr }, standard)).toThrow(
      /step must be u32 of rank 1/,
    );
    expect(() => adagradUpdate({ p, g, total, lr, step }, { ...standard, every: 0 })).toThrow(
      /every must be a whole number/,
    );
  });
});
