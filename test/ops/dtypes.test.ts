/**
 * Element-wise ops on i32 and u32: every pair of special integers against BigInt arithmetic, on the CPU reference and on the GPU, fused
 * and not; numbers beside integer tensors; truth values; mixed dtypes.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import { type DType, sizeOf } from "../../src/graph/spec.ts";
import { constant, input, state, type Tensor } from "../../src/graph/tensor.ts";
import { add, div, mul, neg, square, sub } from "../../src/ops/elementwise/arithmetic.ts";
import { cast } from "../../src/ops/elementwise/cast.ts";
import { eq, ge, gt, le, lt, maximum, minimum, ne, where } from "../../src/ops/elementwise/compare.ts";
import { copy } from "../../src/ops/elementwise/copy.ts";
import { detach } from "../../src/ops/elementwise/detach.ts";
import { fill, ones, zeros } from "../../src/ops/elementwise/fill.ts";
import { logicalAnd, logicalNot, logicalOr, logicalXor } from "../../src/ops/elementwise/logical.ts";
import { abs, clamp, exp, sign } from "../../src/ops/elementwise/math.ts";
import { argmax } from "../../src/ops/reduce/argmax.ts";
import { expand, mean, sum } from "../../src/ops/reduce/sum.ts";
import { tile } from "../../src/ops/shape/tile.ts";
import { assign } from "../../src/ops/state/assign.ts";
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { ShapeError } from "../../src/validation/errors.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

type Whole = "i32" | "u32";
const special = {
  i32: [0, 1, -1, 2, -2, 7, -7, 46341, -46341, 65537, 2 ** 24 + 1, 2 ** 31 - 1, -(2 ** 31), -(2 ** 31) + 1],
  u32: [
    0,
    1,
    2,
    3,
    7,
    65535,
    65537,
    2 ** 24 + 1,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 31 + 1,
    2 ** 32 - 2,
    2 ** 32 - 1,
  ],
};
const wrap = (dtype: Whole, v: bigint) =>
  Number(dtype === "i32" ? BigInt.asIntN(32, v) : BigInt.asUintN(32, v));
const sizeOfSign = (v: bigint) => (v > 0n ? 1n : v < 0n ? -1n : 0n);
const truth = (v: boolean) => (v ? 1n : 0n);

const binary: Record<string, readonly [(a: Tensor, b: Tensor) => Tensor, (a: bigint, b: bigint) => bigint]> =
  {
    add: [add, (a, b) => a + b],
    sub: [sub, (a, b) => a - b],
    mul: [mul, (a, b) => a * b],
    // a / 0 is a, as WGSL defines it. Division of BigInts is cut off towards 0.
    div: [div, (a, b) => (b === 0n ? a : a / b)],
    minimum: [minimum, (a, b) => (a < b ? a : b)],
    maximum: [maximum, (a, b) => (a > b ? a : b)],
    eq: [eq, (a, b) => truth(a === b)],
    ne: [ne, (a, b) => truth(a !== b)],
    lt: [lt, (a, b) => truth(a < b)],
    le: [le, (a, b) => truth(a <= b)],
    gt: [gt, (a, b) => truth(a > b)],
    ge: [ge, (a, b) => truth(a >= b)],
    where: [(a, b) => where(a, b, a), (a, b) => (a !== 0n ? b : a)],
    logicalAnd: [logicalAnd, (a, b) => truth(a !== 0n && b !== 0n)],
    logicalOr: [logicalOr, (a, b) => truth(a !== 0n || b !== 0n)],
    logicalXor: [logicalXor, (a, b) => truth((a !== 0n) !== (b !== 0n))],
  };
const unary: Record<string, readonly [(x: Tensor) => Tensor, (x: bigint) => bigint]> = {
  neg: [neg, (x) => -x],
  abs: [abs, (x) => (x < 0n ? -x : x)],
  sign: [sign, sizeOfSign],
  square: [square, (x) => x * x],
  "x + 3": [(x) => add(x, 3), (x) => x + 3n],
  "7 - x": [(x) => sub(7, x), (x) => 7n - x],
  "x - 2^31 + 1": [(x) => sub(x, 2 ** 31 - 1), (x) => x - 2n ** 31n + 1n],
  "x * 65537": [(x) => mul(65537, x), (x) => x * 65537n],
  "x / 3": [(x) => div(x, 3), (x) => x / 3n],
  "100 / x": [(x) => div(100, x), (x) => (x === 0n ? 100n : 100n / x)],
  "clamp to 1 … 9": [(x) => clamp(x, 1, 9), (x) => (x < 1n ? 1n : x > 9n ? 9n : x)],
  "clamp from 5": [(x) => clamp(x, 5), (x) => (x < 5n ? 5n : x)],
  "x == 7": [(x) => eq(x, 7), (x) => truth(x === 7n)],
  "where(x > 2, x, 2)": [(x) => where(gt(x, 2), x, 2), (x) => (x > 2n ? x : 2n)],
  logicalNot: [logicalNot, (x) => truth(x === 0n)],
  copy: [copy, (x) => x],
  detach: [detach, (x) => x],
};

const backends: readonly (readonly [string, () => Promise<Backend>, boolean])[] = [
  ["CPU reference", async () => new CpuBackend(), false],
  ["CPU reference in 64 bits", async () => new CpuBackend({ bits: 64 }), false],
  ["GPU", gpuBackend, false],
  ["GPU, fused", gpuBackend, true],
];

const arrayOf = (dtype: DType, values: readonly number[]) =>
  dtype === "f32"
    ? Float32Array.from(values)
    : dtype === "i32"
      ? Int32Array.from(values)
      : Uint32Array.from(values);

async function run(backend: Backend, outputs: readonly Tensor[], fuse: boolean): Promise<number[][]> {
  using program = await backend.compile({ outputs }, { fuse });
  program.run();
  const found: number[][] = [];
  for (const t of outputs) found.push([...(await program.read(t))]);
  return found;
}

describe.each(backends)("integers on the %s", (_, open, fuse) => {
  it.each(["i32", "u32"] as const)("%s: every op on every pair of special numbers", async (dtype) => {
    const values = special[dtype];
    const pairs = values.flatMap((a) => values.map((b) => [a, b] as const));
    const a = constant(
      arrayOf(
        dtype,
        pairs.map(([a]) => a),
      ),
    );
    const b = constant(
      arrayOf(
        dtype,
        pairs.map(([, b]) => b),
      ),
    );
    const x = constant(arrayOf(dtype, values));
    const outputs = [
      ...Object.values(binary).map(([apply]) => apply(a, b)),
      ...Object.values(unary).map(([apply]) => apply(x)),
    ];
    const found = await run(await open(), outputs, fuse);
    const expected = [
      ...Object.values(binary).map(([, truth]) =>
        pairs.map(([a, b]) => wrap(dtype, truth(BigInt(a), BigInt(b)))),
      ),
      ...Object.values(unary).map(([, truth]) => values.map((x) => wrap(dtype, truth(BigInt(x))))),
    ];
    [...Object.keys(binary), ...Object.keys(unary)].forEach((name, i) => {
      expect(found[i], name).toEqual(expected[i]);
    });
  });

  it("several ops in a row wrap around at each", async () => {
    const x = constant(Int32Array.of(2 ** 31 - 1, -5, 123456789));
    const y = sub(div(mul(add(x, 1), 3), 2), x);
    const expected = [2 ** 31 - 1, -5, 123456789].map((v) => {
      const scaled = BigInt.asIntN(32, BigInt.asIntN(32, BigInt(v) + 1n) * 3n);
      return wrap("i32", scaled / 2n - BigInt(v));
    });
    expect(await run(await open(), [y], fuse)).toEqual([expected]);
  });

  it("accuracy is the mean of eq(argmax(x), labels)", async () => {
    const logits = constant(Float32Array.of(1, 3, 2, 9, 0, 1, 0, 0, 5, 1, 2, 0), [4, 3]);
    const hits = eq(argmax(logits), constant(Int32Array.of(1, 0, 1, 1)));
    expect(await run(await open(), [hits, mean(cast(hits, "f32")), mean(hits)], fuse)).toEqual([
      [1, 1, 0, 1],
      [0.75],
      [0.75],
    ]);
  });

  it("conditions of every dtype, and gradients past integers", async () => {
    const conditions = [
      Float32Array.of(Number.NaN, 0, -0, 0.5),
      Int32Array.of(-1, 0, 0, 3),
      Uint32Array.of(9, 0, 0, 1),
    ];
    const x = constant(Float32Array.of(1, 2, 3, 4));
    const outputs = conditions.flatMap((c) => {
      const y = where(constant(c), x, mul(x, 10));
      return [y, gradients(sum(y), [x])[0]!];
    });
    const [row, slope] = [
      [1, 20, 30, 4],
      [1, 10, 10, 1],
    ];
    expect(await run(await open(), outputs, fuse)).toEqual([row, slope, row, slope, row, slope]);
    const rounded = sum(mul(x, cast(cast(x, "i32"), "f32")));
    expect(await run(await open(), [gradients(rounded, [x])[0]!], fuse)).toEqual([[1, 2, 3, 4]]);
  });

  it("expand, tile, ones and zeros, and states of integers", async () => {
    const x = constant(Uint32Array.of(1, 2 ** 32 - 1));
    const shapes = [expand(x, [2, 2]), tile(x, [2]), add(ones([2], "u32"), zeros([2], "u32"))];
    expect(await run(await open(), shapes, fuse)).toEqual([
      [1, 2 ** 32 - 1, 1, 2 ** 32 - 1],
      [1, 2 ** 32 - 1, 1, 2 ** 32 - 1],
      [1, 1],
    ]);
    const backend = await open();
    const [a, b, count] = [state([2], [5, 6], "i32"), state([2], [7, 8], "i32"), state([1], 3, "u32")];
    const updates = [assign(a, b), assign(b, sub(a, 1)), assign(count, add(mul(count, 2), 1))];
    using program = await backend.compile({ outputs: [], updates }, { fuse });
    program.run(2);
    expect(await Promise.all([a, b, count].map(async (t) => [...(await backend.read(t))]))).toEqual([
      [4, 5],
      [6, 7],
      [15],
    ]);
  });
});

const shapes = [[1], [7], [64], [257, 13], [1031], [40_000]] as const;
checkOp(
  "integers of many shapes",
  (["i32", "u32"] as const).flatMap((dtype) =>
    shapes.map((shape) => {
      const data = Array.from({ length: sizeOf(shape) }, (_, i) => (i * 2654435761) % 2 ** 31);
      return {
        name: `${dtype}[${shape}]`,
        inputs: [
          { shape, dtype, data },
          { shape: [shape.at(-1)!], dtype, data: data.slice(0, shape.at(-1)!) },
        ],
        build: (a: Tensor, b: Tensor) => [div(mul(a, b), 7), maximum(sub(a, b), b), lt(a, b)],
      };
    }),
  ),
  { gradients: false },
);

describe("what does not go together", () => {
  const [f, i, u] = [input([2]), input([2], "i32"), input([2], "u32")];
  it.each([
    ["add", () => add(f, i)],
    ["sub", () => sub(i, u)],
    ["mul", () => mul(u, f)],
    ["div", () => div(i, f)],
    ["eq", () => eq(i, f)],
    ["maximum", () => maximum(i, u)],
    ["where", () => where(f, i, f)],
  ])("%s of mixed dtypes", (name, build) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(
      new RegExp(`^${name}: inputs must have one dtype, got .*; convert with ops\\.cast\\(x, dtype\\)$`),
    );
  });

  it.each([
    [
      "add",
      () => add(i, 0.5),
      /add: a number beside an i32 tensor must be a whole number in i32's range, got 0.5; .*cast/,
    ],
    ["sub", () => sub(u, -1), /sub: a number beside an u32 tensor/],
    ["mul", () => mul(i, 2 ** 31), /mul: .* got 2147483648/],
    ["div", () => div(i, 0), /div: integers can't be divided by 0/],
    ["div", () => div(i, 0.5), /div: .* got 0.5/],
    ["lt", () => lt(i, Number.POSITIVE_INFINITY), /lt: .* got Infinity/],
    ["clamp", () => clamp(u, -1, 1), /clamp: .* got -1/],
    ["where", () => where(f, i, 1.5), /where: .* got 1.5/],
    ["assign", () => assign(state([1], 0, "i32"), 0.5), /fill: needs Int32Array .* got 0.5/],
    ["fill", () => fill([2], -1, "u32"), /got -1 at 0, not a whole number in u32's range/],
    ["exp", () => exp(i), /exp: inputs must be f32, got i32\[2\]; convert with ops\.cast\(x, dtype\)/],
    ["add", () => add(i, "1" as never), /add: b must be a tensor/],
    ["eq", () => eq([1] as never, i), /eq: a must be a tensor/],
  ])("%s: %#", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
