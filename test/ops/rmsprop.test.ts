/** The rmsprop update: its kernels against its CPU body. Its algorithm is checked in test/optim/optimizers.test.ts. */
import { describe, expect, it } from "vitest";
import { constant, input, state } from "../../src/graph/tensor.ts";
import { rmspropUpdate } from "../../src/optim/updates/rmsprop.ts";
import { checkUpdate, numbers, stateOf } from "../support/update-run.ts";

const standard = { alpha: 0.99, eps: 1e-4, momentum: 0, centered: false, weightDecay: 0.1, maximize: false };

describe("rmsprop update", () => {
  for (const centered of [false, true]) {
    for (const momentum of [0, 0.9]) {
      for (const size of [1, 3, 255, 256, 257, 2049, 20_032]) {
        for (const every of [1, 4]) {
          it(`centered ${centered}, momentum ${momentum}, ${size} values, every ${every}`, () =>
            checkUpdate("rmsprop", () => {
              const v = stateOf(numbers(size, 2, 0.5, 1), "v");
              const mean = centered ? stateOf(numbers(size, 3, -0.5, 0.5), "mean") : undefined;
              const velocity = momentum === 0 ? undefined : stateOf(numbers(size, 4), "velocity");
              const groups = size % 4 === 0 ? constant(numbers(2 * size, 5, 0, 1), [2, size]) : undefined;
              const p = stateOf(numbers(size, 0), "p");
              const given = {
                p,
                g: stateOf(numbers(size, 1)),
                lr: stateOf([0.05]),
                v,
                mean,
                velocity,
                groups,
              };
              const step = stateOf(Uint32Array.of(size % 2 === 0 ? 3 : 2));
              const update = rmspropUpdate({ ...given, step }, { ...standard, centered, momentum, every });
              return { update, changed: [p, v, mean, velocity].filter((t) => t !== undefined) };
            }));
        }
      }
    }
  }

  it("refuses states that are missing and groups of another size", () => {
    const [p, g, v, lr, step] = [state([4]), input([4]), state([4]), state([1]), state([1], 0, "u32")];
    expect(() => rmspropUpdate({ p, g, v, lr, step }, { ...standard, centered: true })).toThrow(
      /rmsprop: mean is missing/,
    );
    expect(() => rmspropUpdate({ p, g, v: state([5]), lr, step }, standard)).toThrow(/must have one shape/);
    expect(() => rmspropUpdate({ p, g, v, lr, step, groups: state([2, 8]) }, standard)).toThrow(
      /groups must be \[2, 4\]/,
    );
  });
});
