/** moments: choices of axes, one part and several, precision far from 0, gradients of all results. */
import { expect, it } from "vitest";
import { input } from "../../src/graph/tensor.ts";
import { momentsOp } from "../../src/ops/reduce/moments.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { lineGrid } from "../support/line-grid.ts";

const variants = ["parts", "shared", "shared8"].map((kind) => ({ moments: kind }));

checkOp(
  "moments",
  lineGrid.map(([shape, axes]) => ({
    name: `[${shape}] over [${axes}]`,
    inputs: [{ shape }],
    build: (x) => momentsOp.apply([x!], { axes, eps: 1e-3 }),
  })),
  { variants },
);

it.each(variants)("keeps the variance of values far from 0, $moments", async (forced) => {
  const gpu = await gpuBackend();
  const x = input([4096]);
  const [mean, variance] = momentsOp.apply([x], { axes: [0], eps: 0 });
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
  expect(() => momentsOp.one([input([3], "i32")], { axes: [0], eps: 0 })).toThrow(
    /moments: input must be f32, got i32\[3\]/,
  );
});
