/** The sgd update: its kernels against its CPU body. Its algorithm is checked in test/optim/sgd.test.ts. */
import { describe, expect, it } from "vitest";
import { input, state } from "../../src/graph/tensor.ts";
import { type SgdAttrs, sgdUpdate } from "../../src/optim/updates/sgd.ts";
import { checkUpdate, numbers, stateOf } from "../support/update-run.ts";

const none = { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0, maximize: false };
const kinds: readonly (readonly [string, SgdAttrs])[] = [
  ["plain", none],
  ["weight decay, maximize", { ...none, weightDecay: 0.1, maximize: true }],
  ["momentum, dampening", { ...none, momentum: 0.9, dampening: 0.3 }],
  ["Nesterov, weight decay", { ...none, momentum: 0.8, nesterov: true, weightDecay: 0.01 }],
];

describe("sgd update", () => {
  for (const [kind, attrs] of kinds) {
    for (const size of [1, 3, 64, 255, 256, 257, 2048, 2049, 61_888]) {
      for (const at of attrs.momentum === 0 || size > 300 ? [5] : [0, 5]) {
        it(`${kind}, ${size} values, step ${at}`, () =>
          checkUpdate(kind, () => {
            const [p, g, lr] = [stateOf(numbers(size, 0), "p"), stateOf(numbers(size, 1)), stateOf([0.05])];
            const [velocity, step] = [stateOf(numbers(size, 2), "velocity"), stateOf(Uint32Array.of(at))];
            return attrs.momentum === 0
              ? { update: sgdUpdate({ p, g, lr }, attrs), changed: [p] }
              : { update: sgdUpdate({ p, g, lr, velocity, step }, attrs), changed: [p, velocity] };
          }));
      }
    }
  }

  it("refuses tensors of different shapes, and a velocity without momentum", () => {
    const [p, lr, step] = [state([4]), state([1]), state([1], 0, "u32")];
    expect(() => sgdUpdate({ p, g: input([5]), lr }, none)).toThrow(
      /sgd: p, g must have one shape, got f32\[4\], f32\[5\]/,
    );
    expect(() => sgdUpdate({ p, g: input([4]), lr: state([2]) }, none)).toThrow(
      /sgd: lr must hold one number/,
    );
    expect(() => sgdUpdate({ p, g: input([4]), lr, velocity: state([4]), step }, none)).toThrow(
      /sgd: momentum needs a velocity, and nothing else does/,
    );
  });
});
