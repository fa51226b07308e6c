/** pack: slices at multiples of 64 elements, filled in place where that is possible and by copies where it is not. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { checkGradients } from "../../src/checks/check-gradients.ts";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { constant, input, parameter, type Tensor } from "../../src/graph/tensor.ts";
import { add, mul, square } from "../../src/ops/elementwise/arithmetic.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { pack } from "../../src/ops/shape/pack.ts";
import { reshape } from "../../src/ops/shape/reshape.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";

/** What a pack of `parts` must hold. */
function laidOut(parts: readonly (readonly number[])[]): number[] {
  return parts.flatMap((part) => [...part, ...new Array<number>((64 - (part.length % 64)) % 64).fill(0)]);
}

const numbers = (n: number, from: number) => Array.from({ length: n }, (_, i) => from + i);

describe.each([
  ["cpu", async () => new CpuBackend()],
  ["webgpu", gpuBackend],
] as const)("pack on %s", (_, open) => {
  const check = async (
    inputs: readonly (readonly [Tensor, readonly number[]])[],
    packed: Tensor,
    expected: readonly (readonly number[])[],
    dispatches: number,
    beside: readonly (readonly [Tensor, readonly number[]])[] = [],
  ) => {
    const backend = await open();
    const program = await backend.compile({ outputs: [packed, ...beside.map(([t]) => t)] }, { fuse: false });
    for (const [leaf, values] of inputs) backend.write(leaf, Float32Array.from(values));
    expect(program.describe().dispatches).toBe(dispatches);
    program.run();
    program.run(2);
    expect([...(await program.read(packed))]).toEqual(laidOut(expected));
    for (const [t, values] of beside) expect([...(await program.read(t))]).toEqual(values);
  };

  it("lays parameters side by side without a dispatch", async () => {
    const parts = [numbers(3, 1), numbers(64, 100), numbers(65, 200), [7]];
    const states = parts.map((values) => parameter([values.length], Float32Array.from(values)));
    await check([], pack(states), parts, 0);
  });

  it("has computed tensors written in place", async () => {
    const [x, z] = [input([5]), input([70])];
    const [a, b] = [numbers(5, 1), numbers(70, 10)];
    const doubled = [a, b].map((values) => values.map((v) => 2 * v));
    const packed = pack([mul(x, 2), mul(z, 2)]);
    await check(
      [
        [x, a],
        [z, b],
      ],
      packed,
      doubled,
      2,
    );
  });

  it("packs through reshape", async () => {
    const x = input([2, 3]);
    await check([[x, numbers(6, 1)]], pack([reshape(mul(x, 2), [6])]), [numbers(6, 1).map((v) => 2 * v)], 1);
  });

  it("copies a tensor that comes twice, and an input among results", async () => {
    const x = input([3]);
    const y = mul(x, 2);
    await check(
      [[x, [1, 2, 3]]],
      pack([y, x, y]),
      [
        [2, 4, 6],
        [1, 2, 3],
        [2, 4, 6],
      ],
      4,
    );
  });

  it("copies a tensor that comes twice in a pack of nothing else", async () => {
    const x = input([3]);
    const y = mul(x, 2);
    await check(
      [[x, [1, 2, 3]]],
      pack([y, y]),
      [
        [2, 4, 6],
        [2, 4, 6],
      ],
      3,
    );
  });

  it("copies where one part is computed from another", async () => {
    const x = input([3]);
    const y = mul(x, 2);
    const z = add(y, 1);
    await check(
      [[x, [1, 2, 3]]],
      pack([y, z]),
      [
        [2, 4, 6],
        [3, 5, 7],
      ],
      3,
      [[z, [3, 5, 7]]],
    );
  });

  it("lets its parts be read and used further", async () => {
    const x = input([3]);
    const y = mul(x, 2);
    const packed = pack([y, mul(x, 3)]);
    const beside = [
      [y, [2, 4, 6]],
      [mul(y, 10), [20, 40, 60]],
      [
        reshape(mul(packed, 2), [2, 64]),
        laidOut([
          [4, 8, 12],
          [6, 12, 18],
        ]),
      ],
    ] as const;
    await check(
      [[x, [1, 2, 3]]],
      packed,
      [
        [2, 4, 6],
        [3, 6, 9],
      ],
      4,
      beside,
    );
  });

  it("serves two packs of one tensor", async () => {
    const x = input([2]);
    const y = mul(x, 2);
    const [first, second] = [pack([y, mul(x, 3)]), pack([mul(x, 4), y])];
    const backend = await open();
    const program = await backend.compile({ outputs: [first, second] }, { fuse: false });
    backend.write(x, Float32Array.of(1, 2));
    program.run();
    expect([...(await program.read(first))]).toEqual(
      laidOut([
        [2, 4],
        [3, 6],
      ]),
    );
    expect([...(await program.read(second))]).toEqual(
      laidOut([
        [4, 8],
        [2, 4],
      ]),
    );
  });
});

it("refuses nothing and whole numbers", () => {
  expect(() => pack([])).toThrow(/pack: needs at least one tensor/);
  expect(() => pack([input([2]), constant(new Int32Array(3))])).toThrow(
    /pack: inputs must be f32, got f32\[2\], i32\[3\]/,
  );
});

it("gradients of its inputs are their parts of its own", async () => {
  const shapes: Shape[] = [[2, 3], [], [65], [4]];
  const build = (...ts: Tensor[]) => square(pack(ts.map((t) => mul(t, 2))));
  const inputs = shapes.map((shape) => ({ shape, data: numbers(sizeOf(shape), 9) }));
  expect((await checkGradients(build, inputs)).failures).toEqual([]);
  const leaves = shapes.map((shape) => input(shape));
  const grads = gradients(sum(build(...leaves)), leaves);
  for (const backend of [new CpuBackend(), await gpuBackend()]) {
    const program = await backend.compile({ outputs: grads });
    for (const [i, t] of leaves.entries()) backend.write(t, inputs[i]!.data);
    program.run();
    for (const [i, g] of grads.entries()) {
      const expected = Float32Array.from(inputs[i]!.data, (v) => 8 * v);
      expect(await program.read(g)).toEqual(expected);
    }
  }
});
