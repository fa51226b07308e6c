/** moments: choices of axes, one part and several, precision far from 0, gradients of all results. */
import { expect, it } from "vitest";
import { momentsOp } from "../../src/ops/moments.ts";
import { input, type Shape } from "../../src/tensor.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";

const grid: readonly (readonly [Shape, number[]])[] = [
  [[7], [0]],
  [[5, 1], [0]],
  [[3, 63], [1]],
  [[3, 65], [0]],
  [
    [4, 3, 5],
    [0, 2],
  ],
  [
    [2, 3, 5, 7],
    [1, 3],
  ],
  [[129], [0]],
  [[3, 641], [1]],
  [[5, 644], [1]],
  [
    [3, 4, 2, 6],
    [0, 3],
  ],
  [
    [8, 6, 14, 14],
    [0, 2, 3],
  ],
];

const variants = ["parts", "shared", "narrow"].map((kind) => ({ moments: kind }));

for (const centred of [true, false]) {
  checkOp(
    centred ? "moments" : "moments about 0",
    grid.map(([shape, axes]) => ({
      name: `[${shape}] over [${axes}]`,
      inputs: [{ shape }],
      build: (x) => momentsOp.apply([x!], { axes, eps: 1e-3, centred }),
    })),
    { variants },
  );
}

it.each(variants)("keeps the variance of values far from 0, $moments", async (forced) => {
  const gpu = await gpuBackend();
  const x = input([4096]);
  const [mean, variance] = momentsOp.apply([x], { axes: [0], eps: 0, centred: true });
  const program = await gpu.compile({ outputs: [mean!, variance!] }, { variants: forced });
  gpu.write(
    x,
    Float32Array.from({ length: 4096 }, (_, i) => 10_000 + (i % 2)),
  );
  program.run();
  expectClose("mean", await program.read(mean!), [10_000.5], []);
  expectClose("variance", await program.read(variance!), [0.25], [], { rtol: 1e-3 });
});

it("refuses what is no float", () => {
  expect(() => momentsOp.one([input([3], "i32")], { axes: [0], eps: 0, centred: true })).toThrow(
    /moments: input must be f32, got i32\[3\]/,
  );
});
