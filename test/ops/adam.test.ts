/** The adam update: its kernel against its CPU body, and its bias corrections from the first step to the millionth. */
import { describe, expect, it } from "vitest";
import { input, state } from "../../src/graph/tensor.ts";
import { type AdamAttrs, adamUpdate } from "../../src/optim/updates/adam.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { checkUpdate, numbers, runUpdate, stateOf } from "../support/update-run.ts";

const standard = {
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  decoupled: false,
  maximize: false,
};
const kinds: readonly (readonly [string, AdamAttrs])[] = [
  ["adam", standard],
  ["adam with weight decay, maximize", { ...standard, weightDecay: 0.1, maximize: true }],
  ["adamw", { ...standard, weightDecay: 0.01, decoupled: true }],
  ["no memory", { ...standard, beta1: 0, beta2: 0, eps: 1e-3 }],
];

function setUp(size: number, at: number, attrs: AdamAttrs) {
  const p = stateOf(numbers(size, 0), "p");
  const m = stateOf(numbers(size, 2, -0.1, 0.1), "m");
  const v = stateOf(numbers(size, 3, 0.001, 0.1), "v");
  const [g, step, lr] = [stateOf(numbers(size, 1)), stateOf(Uint32Array.of(at)), stateOf([0.01])];
  return { update: adamUpdate({ p, g, m, v, step, lr }, attrs), changed: [p, m, v] };
}

describe("adam update", () => {
  for (const [kind, attrs] of kinds) {
    for (const size of [1, 3, 64, 255, 256, 257, 2048, 2049, 61_888]) {
      it(`${kind}, ${size} values`, () => checkUpdate(kind, () => setUp(size, size % 7, attrs)));
    }
  }

  it("corrects the bias accurately at every step", async () => {
    const [g, lr] = [stateOf([1, -1, 2, 0.5]), stateOf([1])];
    for (const beta2 of [0.9, 0.999, 0.9999]) {
      for (const at of [0, 1, 2, 9, 99, 999, 1000, 1003, 9_999, 99_999, 1_000_000, 30_000_000, 2 ** 32 - 2]) {
        const [p, m, v] = [state([4]), state([4]), state([4])];
        const step = stateOf(Uint32Array.of(at));
        const update = adamUpdate({ p, g, m, v, step, lr }, { ...standard, beta2, eps: 0 });
        // With empty moments p changes by -sign(g) (1 - b1) / (1 - b1^t) / sqrt((1 - b2) / (1 - b2^t)).
        const t = at + 1;
        const change = (0.1 / (1 - 0.9 ** t)) * Math.sqrt((1 - beta2 ** t) / (1 - beta2));
        const expected = [-change, change, -change, -change];
        for (const backend of [new CpuBackend({ bits: 64 }), await gpuBackend()]) {
          const [actual] = await runUpdate(backend, update, [p]);
          // exp, sqrt and division in float32.
          expectClose(`step ${at}, beta2 ${beta2}`, actual!, expected, [4], { atol: 0, rtol: 2e-6 });
        }
      }
    }
  });

  it("lets NaN through, so that it shows", async () => {
    const [p, g] = [stateOf([1, 2, 3, 4]), stateOf([Number.NaN, 1, 1, 1])];
    const [m, v, step, lr] = [state([4]), state([4]), state([1], 0, "u32"), stateOf([0.1])];
    const [values] = await runUpdate(await gpuBackend(), adamUpdate({ p, g, m, v, step, lr }, standard), [p]);
    expect(values?.[0]).toBeNaN();
    expect(values?.[1]).toBeCloseTo(1.9, 5);
  });

  it("refuses moments of another shape and a step that is no counter", () => {
    const [p, g, m, v, step, lr] = [
      state([4]),
      input([4]),
      state([4]),
      state([4]),
      state([1], 0, "u32"),
      state([1]),
    ];
    expect(() => adamUpdate({ p, g, m, v: state([8]), step, lr }, standard)).toThrow(
      /adam: p, g, m, v must have one shape, got f32\[4\], f32\[8\]/,
    );
    expect(() => adamUpdate({ p, g, m, v, step: lr, lr }, standard)).toThrow(
      /adam: step must be u32 of rank 1/,
    );
  });
});
