/** cast: every pair of dtypes, numbers outside the range, NaN, gradients, refusals. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Data, DType } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { cast } from "../../src/ops/elementwise/cast.ts";
import { sum } from "../../src/ops/reduce/sum.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
const rows: readonly (readonly [DType, DType, Data, readonly number[]])[] = [
  [
    "f32",
    "i32",
    Float32Array.of(
      0,
      -0,
      0.99,
      -0.99,
      1.5,
      -1.5,
      16777217,
      2147483520,
      2147483648,
      -2147483648,
      3e9,
      -3e9,
      inf,
      -inf,
      nan,
      1e-40,
    ),
    [
      0,
      0,
      0,
      0,
      1,
      -1,
      16777216,
      2147483520,
      2 ** 31 - 1,
      -(2 ** 31),
      2 ** 31 - 1,
      -(2 ** 31),
      2 ** 31 - 1,
      -(2 ** 31),
      0,
      0,
    ],
  ],
  [
    "f32",
    "u32",
    Float32Array.of(0, -0.5, -1, 0.99, 1.5, 2147483648, 4294967040, 4294967296, 1e20, inf, -inf, nan),
    [0, 0, 0, 0, 1, 2147483648, 4294967040, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1, 0, 0],
  ],
  ["i32", "f32", Int32Array.of(0, -1, 2 ** 24, -(2 ** 31), 12345), [0, -1, 2 ** 24, -(2 ** 31), 12345]],
  ["u32", "f32", Uint32Array.of(0, 1, 2 ** 24, 2 ** 31), [0, 1, 2 ** 24, 2 ** 31]],
  ["i32", "u32", Int32Array.of(0, -1, 5, -(2 ** 31)), [0, 2 ** 32 - 1, 5, 2 ** 31]],
  ["u32", "i32", Uint32Array.of(0, 2 ** 32 - 1, 5, 2 ** 31), [0, -1, 5, -(2 ** 31)]],
];

describe.each([
  ["CPU reference", async () => new CpuBackend()],
  ["GPU", gpuBackend],
] as const)("on the %s", (_, open) => {
  it.each(rows)("%s to %s", async (from, to, data, expected) => {
    const backend = await open();
    const x = input([data.length], from);
    const y = cast(x, to);
    expect([y.dtype, y.shape]).toEqual([to, x.shape]);
    const program = await backend.compile({ outputs: [y] });
    backend.write(x, data);
    program.run();
    const found = await program.read(y);
    // -0 and 0 are the same integer.
    expect([...found].map((v) => v + 0)).toEqual(expected);
  });
});

checkOp(
  "cast",
  [1, 63, 65, 1031].map((size) => ({
    name: `${size} numbers`,
    inputs: [{ shape: [size], range: [-300, 300] as const, gradient: false }],
    build: (x: Tensor) => [cast(x, "i32"), cast(x, "u32"), cast(cast(x, "i32"), "f32")],
  })),
  { numeric: false },
);

it("has a gradient only where nothing is converted", async () => {
  const x = constant(Float32Array.of(1.5, 2.5));
  expect(cast(x, "f32")).toBe(x);
  const device = await gpuBackend();
  const [past, through] = [cast(cast(x, "i32"), "f32"), cast(x, "f32")].map(
    (y) => gradients(sum(y), [x])[0]!,
  );
  using program = await device.compile({ outputs: [past!, through!] });
  program.run();
  expect([...(await program.read(past!))]).toEqual([0, 0]);
  expect([...(await program.read(through!))]).toEqual([1, 1]);
});

it("refuses other dtypes and what is no tensor", () => {
  const x = input([2]);
  expect(() => cast(x, "f64" as DType)).toThrow(/cast: dtype must be "f32", "i32" or "u32", got "?f64/);
  expect(() => cast(x, "bool" as DType)).toThrow(/truth values are f32, 1 and 0/);
  expect(() => cast([1] as never, "i32")).toThrow(/cast: x must be a tensor/);
});
