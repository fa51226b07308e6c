/** pad: constant, reflect, replicate, each end and axis, integers, refusals. */
import { expect, it } from "vitest";
import type { Shape } from "../../src/graph/spec.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { pad } from "../../src/ops/shape/pad.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

const grid: readonly (readonly [Shape, number[]])[] = [
  [[3], [2, 1]],
  [[7], [0, 0]],
  [
    [2, 5],
    [1, 3],
  ],
  [
    [2, 3, 5],
    [4, 0, 0, 2],
  ],
  [
    [2, 3, 5, 7],
    [1, 2, 3, 4],
  ],
  [
    [1, 2, 16, 17],
    [1, 1, 1, 1],
  ],
];

for (const mode of ["constant", "reflect", "replicate"] as const) {
  checkOp(
    `pad, ${mode}`,
    grid.map(([shape, padding]) => ({
      name: `[${shape}] by [${padding}]`,
      inputs: [{ shape }],
      build: (x) => pad(x!, padding, { mode, value: mode === "constant" ? -2.5 : 0 }),
    })),
  );
}

it("gives the very values of PyTorch", async () => {
  const gpu = await gpuBackend();
  const x = constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
  const wanted = [
    pad(x, [2, 1], { mode: "reflect" }),
    pad(x, [2, 1], { mode: "replicate" }),
    pad(x, [0, 1, 1, 0], { value: Number.NEGATIVE_INFINITY }),
    pad(constant(Int32Array.of(7)), [1, 1], { value: -3 }),
  ] as const;
  const program = await gpu.compile({ outputs: wanted });
  program.run();
  const values = await Promise.all(wanted.map(async (t) => [...(await program.read(t))]));
  const inf = Number.POSITIVE_INFINITY;
  expect(values).toEqual([
    [3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5],
    [1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6],
    [-inf, -inf, -inf, -inf, 1, 2, 3, -inf, 4, 5, 6, -inf],
    [-3, 7, -3],
  ]);
});

it("refuses what it can't pad", () => {
  const x = input([2, 3]);
  expect(() => pad(x, [1])).toThrow(/pad: needs pairs of \[before, after\], at most one per axis/);
  expect(() => pad(x, [1, 1, 1, 1, 1, 1])).toThrow(/pad: needs pairs/);
  expect(() => pad(x, [-1, 0])).toThrow(/pad: padding must be a whole number of at least 0, got -1/);
  expect(() => pad(x, [3, 0], { mode: "reflect" })).toThrow(/pad: can reflect at most 2 elements of axis 1/);
  expect(() => pad(input([2], "i32"), [1, 0], { value: 0.5 })).toThrow(/pad: value must be a whole number/);
});
