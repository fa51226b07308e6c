/** assign: stores values of any dtype, stretched or not, and refuses what does not fit. */
import { expect, it } from "vitest";
import { constant, input, state } from "../../src/graph/tensor.ts";
import { assign, assignAdd } from "../../src/ops/state/assign.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GraphError, ShapeError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";

it.each([true, false])("stores what it is given, fused: %s", async (fuse) => {
  for (const backend of [new CpuBackend(), await gpuBackend()]) {
    const [a, b, c] = [state([2, 3]), state([3], 0, "i32"), state([1], 0, "u32")];
    const updates = [
      assign(a, constant([1, 2, 3])),
      assign(b, constant(Int32Array.of(-1, 0, 7))),
      assign(c, constant(Uint32Array.of(2 ** 32 - 1))),
    ];
    const program = await backend.compile({ outputs: [], updates }, { fuse });
    program.run();
    const values = await backend.readAll([a, b, c]);
    expect(values.map((data) => [...data])).toEqual([[1, 2, 3, 1, 2, 3], [-1, 0, 7], [2 ** 32 - 1]]);
    const reset = await backend.compile({ outputs: [], updates: [assign(a, 0.5)] }, { fuse });
    reset.run();
    expect([...(await backend.read(a))]).toEqual(Array(6).fill(0.5));
  }
});

it.each([true, false])("assignAdd adds to what is there at every run, fused: %s", async (fuse) => {
  for (const backend of [new CpuBackend(), await gpuBackend()]) {
    const [a, b] = [state([2, 2], 1), state([2], 5, "i32")];
    const updates = [assignAdd(a, constant([1, Number.NaN])), assignAdd(b, -2)];
    const program = await backend.compile({ outputs: [], updates }, { fuse });
    program.run(3);
    const values = await backend.readAll([a, b]);
    const nan = Number.NaN;
    expect(values.map((data) => [...data])).toEqual([
      [4, nan, 4, nan],
      [-1, -1],
    ]);
  }
  expect(() => assignAdd(state([3]), input([4]))).toThrow(ShapeError);
  expect(() => assignAdd(state([3]), input([3], "i32"))).toThrow(/ops\.cast/);
  expect(() => assignAdd(3 as never, 1)).toThrow(/assignAdd: state must be a tensor/);
});

it("refuses other shapes and dtypes, what is no state, and a second value", async () => {
  const a = state([3]);
  expect(() => assign(a, input([4]))).toThrow(ShapeError);
  expect(() => assign(state([1]), input([4]))).toThrow(/assign: value must have the state's shape f32\[1\]/);
  expect(() => assign(a, input([3], "u32"))).toThrow(/assign: state and value must have one dtype/);
  expect(() => assign(3 as never, a)).toThrow(/assign: state must be a tensor/);
  const compile = (updates: ReturnType<typeof assign>[]) =>
    new CpuBackend().compile({ outputs: [], updates });
  await expect(compile([assign(input([3]), 1)])).rejects.toThrow(GraphError);
  await expect(compile([assign(a, 1), assign(a, 2)])).rejects.toThrow(/both change/);
});
