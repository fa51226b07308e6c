/** reshape and flatten: no dispatch, no copy, any dtype; shapes that hold another number of elements are refused. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { constant, input, parameter } from "../../src/graph/tensor.ts";
import { mul } from "../../src/ops/elementwise/arithmetic.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { expandDims, flatten, reshape, squeeze } from "../../src/ops/shape/reshape.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

checkOp("reshape", [
  { name: "of a result", inputs: [{ shape: [2, 3, 5] }], build: (x) => reshape(mul(x!, 2), [5, 6]) },
  { name: "before an op", inputs: [{ shape: [2, 6] }], build: (x) => sum(reshape(x!, [3, 4]), { axes: 0 }) },
  {
    name: "there and back",
    inputs: [{ shape: [2, 6] }],
    build: (x) => mul(reshape(reshape(x!, [12]), [2, 6]), x!),
  },
  { name: "to a scalar", inputs: [{ shape: [1, 1] }], build: (x) => mul(reshape(x!, []), 3) },
  { name: "of an input itself", inputs: [{ shape: [2, 3] }], build: (x) => reshape(x!, [3, -1]) },
  { name: "flatten", inputs: [{ shape: [3, 2, 2, 2] }], build: (x) => mul(flatten(x!), flatten(x!)) },
]);

describe.each([
  ["cpu", async () => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("reshape on %s", (_, open) => {
  it("costs no dispatch and serves every dtype", async () => {
    const backend = await open();
    const tables = [
      constant(Float32Array.of(1, 2, 3, 4, 5, 6)),
      constant(Int32Array.of(-1, 2, -3, 4, -5, 6)),
      constant(Uint32Array.of(1, 2, 3, 4, 5, 4294967295)),
    ];
    const wanted = tables.map((t) => reshape(t, [2, 3]));
    const program = await backend.compile({ outputs: wanted });
    expect(program.describe().dispatches).toBe(0);
    program.run();
    for (const [i, t] of wanted.entries()) {
      const { leaf } = tables[i]!;
      expect([...(await program.read(t))]).toEqual(leaf?.kind === "constant" ? [...leaf.data] : []);
    }
  });

  it("follows a state that is written later", async () => {
    const backend = await open();
    const w = parameter([2, 2], Float32Array.of(1, 2, 3, 4));
    const y = reshape(w, [4]);
    const program = await backend.compile({ outputs: [y] });
    backend.write(w, Float32Array.of(5, 6, 7, 8));
    program.run();
    expect([...(await program.read(y))]).toEqual([5, 6, 7, 8]);
  });
});

it("works out an axis of -1", () => {
  expect(reshape(input([2, 3, 4]), [4, -1]).shape).toEqual([4, 6]);
  expect(reshape(input([2, 3, 4]), [-1]).shape).toEqual([24]);
  expect(flatten(input([2, 3, 4]), 0).shape).toEqual([24]);
  expect(flatten(input([2, 3, 4]), 2).shape).toEqual([2, 3, 4]);
});

it("gives gradients the shape of what was reshaped", () => {
  const x = input([2, 3]);
  expect(gradients(sum(reshape(x, [6])), [x])[0]?.shape).toEqual([2, 3]);
});

it("refuses other numbers of elements, two unknown axes, and axes that are no size", () => {
  const x = input([2, 3]);
  expect(() => reshape(x, [4])).toThrow(/reshape: \[4\] must hold as many elements, got f32\[2, 3\]/);
  expect(() => reshape(x, [-1, -1])).toThrow(/reshape: only one axis may be -1, got \[-1, -1\]/);
  expect(() => reshape(x, [4, -1])).toThrow(/reshape: every axis must be a whole number of at least 1/);
  expect(() => reshape(x, [0, -1])).toThrow(/reshape: every axis must be a whole number of at least 1/);
});

it("squeeze and expandDims drop and add axes of 1", () => {
  const x = input([1, 2, 1, 3]);
  expect(squeeze(x).shape).toEqual([2, 3]);
  expect(squeeze(x, 0).shape).toEqual([2, 1, 3]);
  expect(squeeze(x, [0, -2]).shape).toEqual([2, 3]);
  expect([0, 2, 4, -1, -5].map((axis) => expandDims(x, axis).shape)).toEqual([
    [1, 1, 2, 1, 3],
    [1, 2, 1, 1, 3],
    [1, 2, 1, 3, 1],
    [1, 2, 1, 3, 1],
    [1, 1, 2, 1, 3],
  ]);
  expect(() => squeeze(x, 1)).toThrow(/squeeze: axes \[1\] must exist and be 1, got f32\[1, 2, 1, 3\]/);
  expect(() => squeeze(x, 4)).toThrow(/squeeze: axes \[4\] must exist and be 1/);
  expect(() => expandDims(x, 5)).toThrow(/expandDims: axis 5 is not in -5 … 4/);
});
