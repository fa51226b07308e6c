/**
 * rowNorm and its gradients: every kernel at rows of odd, vectorised and long sizes; the residual sum before and the gradient
 * added after, fused = unfused = CPU, and when neither is fused; precision far from 0; dispatches.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { input, type Tensor } from "../../src/graph/tensor.ts";
import { add, mul } from "../../src/ops/elementwise/arithmetic.ts";
import { layerNorm, rmsNorm } from "../../src/ops/norm/normalize.ts";
import { rowNormBackwardOp, rowNormOp } from "../../src/ops/norm/row-norm.ts";
import { mean } from "../../src/ops/reduce/sum.ts";
import { reshape } from "../../src/ops/shape/reshape.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";

const variants = [
  { rowNorm: "rows", rowNormBackward: "rows" },
  { rowNorm: "shared", rowNormBackward: "shared" },
  { rowNorm: "shared", rowNormBackward: "parts" },
];
const attrs = { eps: 1e-3, centred: true };

/** Rows, values in a row, rows of the tensor that is added. */
const grid = [
  [1, 1, 1],
  [3, 5, 3],
  [8, 4, 2],
  [9, 130, 1],
  [65, 128, 65],
  [130, 7, 13],
  [257, 36, 257],
  [2, 1033, 2],
  [2, 4128, 1],
] as const;

checkOp(
  "rowNorm",
  grid.flatMap(([rows, size, addedRows]): OpCase[] => [
    {
      name: `[${rows}, ${size}]`,
      inputs: [{ shape: [rows, size] }, { shape: [size] }, { shape: [size] }],
      build: (x, w, b) => rowNormOp.apply([x!, w!, b!], { ...attrs, size }).slice(0, 2),
    },
    {
      name: `[${rows}, ${size}] about 0, without weight and bias`,
      inputs: [{ shape: [rows, size] }],
      build: (x) => rmsNorm(x!, size),
    },
    {
      name: `[${rows}, ${size}] of a sum, fused`,
      inputs: [{ shape: [rows, size] }, { shape: [addedRows, size] }, { shape: [size] }],
      build: (x, r, w) => {
        const sum = add(r!, reshape(x!, [rows / addedRows, addedRows, size]));
        return [sum, layerNorm(sum, size, { weight: w, eps: 1e-3 })];
      },
    },
  ]),
  // Gradients of weight and bias add up to 257 terms of either sign; of rows of one value they are differences of equal numbers.
  { atol: 2e-5, variants, fuse: true },
);

checkOp(
  "rowNormBackward, the gradient added",
  grid.map(([rows, size]) => ({
    name: `[${rows}, ${size}]`,
    inputs: [
      ...[0, 1].map(() => ({ shape: [rows, size] })),
      { shape: [rows, 2], range: [0.5, 2] as const },
      { shape: [size] },
      { shape: [rows, size] },
    ],
    build: (...xs: Tensor[]) =>
      rowNormBackwardOp.apply(xs, { size, centred: true, needsX: true, needsW: true, needsB: true }),
  })),
  { atol: 5e-5, variants, gradients: false },
);

describe.each(variants)("$rowNorm, $rowNormBackward", (forced) => {
  it("keeps its precision far from 0", async () => {
    const gpu = await gpuBackend();
    const x = input([3, 4096]);
    const [y, stats] = rowNormOp.apply([x, input([1]), input([1])], { size: 4096, eps: 0, centred: true });
    const program = await gpu.compile({ outputs: [y!, stats!] }, { variants: forced });
    gpu.write(
      x,
      Float32Array.from({ length: x.size }, (_, i) => 10_000 + (i % 2)),
    );
    program.run();
    expectClose(
      "stats",
      await program.read(stats!),
      [0, 1, 2].flatMap(() => [10_000.5, 2]),
      [3, 2],
    );
    expectClose("y", (await program.read(y!)).slice(0, 2), [-1, 1], [2]);
  });

  it("gives the same bits every time", async () => {
    const gpu = await gpuBackend();
    const [x, dy, w] = [input([70, 36]), input([70, 36]), input([36])];
    const outputs = gradients(layerNorm(x, 36, { weight: w }), [x, w], dy);
    const program = await gpu.compile({ outputs }, { variants: forced });
    [x, dy, w].forEach((t, i) => {
      gpu.write(
        t,
        Float32Array.from({ length: t.size }, (_, k) => Math.sin((i + 1) * k)),
      );
    });
    program.run();
    const first = await Promise.all(outputs.map((t) => program.read(t)));
    program.run(3);
    expect(await Promise.all(outputs.map((t) => program.read(t)))).toEqual(first);
  });
});

describe("dispatches", () => {
  const count = async (outputs: readonly Tensor[]) =>
    (await (await gpuBackend()).compile({ outputs })).describe().dispatches;
  const [x, f, w, b] = [input([768, 128]), input([768, 128]), input([128]), input([128])];
  const dy = input(x.shape);

  it("one forward, one backward on software adapters", async () => {
    const y = layerNorm(x, 128, { weight: w, bias: b });
    expect(await count([y])).toBe(1);
    expect(await count([y, ...gradients(y, [x, w, b], dy)])).toBe(2);
    const rms = rmsNorm(x, 128, { weight: w });
    expect(await count([rms, ...gradients(rms, [x, w], dy)])).toBe(2);
  });

  it("of a residual block: the sums are part of the norm", async () => {
    const block = (first: Tensor) => {
      const sum = add(first, f);
      const branch = mul(layerNorm(sum, 128, { weight: w, bias: b }), f);
      return [sum, add(sum, branch)] as const;
    };
    const [sum, out] = block(x);
    // The norm with its sum, the branch.
    expect(await count([sum, out])).toBe(2);
    // The gradient of the branch, the norm with the gradient that went past it.
    expect(await count([sum, out, ...gradients(out, [x, w, b], dy)])).toBe(4);
  });

  it("not fused: a sum that the weight depends on, dx that is read elsewhere, sums along columns", async () => {
    const sum = add(x, f);
    const own = mean(sum, { axes: 0 });
    expect(await count([layerNorm(sum, 128, { weight: own })])).toBe(3 + Number(await countsMean(sum)));
    const [dx] = gradients(layerNorm(x, 128), [x], dy);
    expect(await count([dx!, add(dx!, f)])).toBe(3);
    const column = input([768, 1]);
    expect(await count([layerNorm(add(x, column), 128)])).toBe(2);
  });

  /** 1 where the mean over rows takes a second dispatch. */
  const countsMean = async (t: Tensor) => (await count([mean(t, { axes: 0 })])) - 2;
});

it("refuses what does not fit", () => {
  const [x, one] = [input([3, 4]), input([1])];
  const apply = (size: number, ...xs: Tensor[]) => rowNormOp.apply(xs, { ...attrs, size });
  const rule = /rowNorm: needs f32 rows of 5 values, and weights and biases of such, got f32\[3, 4\]/;
  expect(() => apply(5, x, one, one)).toThrow(rule);
  expect(() => apply(4, x, input([3]), one)).toThrow(/rowNorm: needs f32 rows of 4 values/);
  expect(() => apply(4, x, one, one, input([2, 4] as Shape))).toThrow(/x must have the rows of r/);
  const needs = { needsX: true, needsW: true, needsB: true, centred: true, size: 4 };
  expect(() => rowNormBackwardOp.apply([x, x, input([3]), one], needs)).toThrow(/two values per row/);
  expect(() => rowNormBackwardOp.apply([x, x, input([3, 2]), one, one], needs)).toThrow(
    /to add must be like x/,
  );
});
