/** matmul: shapes around every tile edge, transposes, batches, vectors, goldens, every kernel variant. */
import { describe, expect, it } from "vitest";
import { matmul } from "../../src/ops/matmul.ts";
import { input, type Shape } from "../../src/tensor.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { checkGoldens } from "../support/golden.ts";

const variants = [{}, { matmul: "register" }];

const sizes: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 7, 1],
  [7, 1, 5],
  [3, 4, 4],
  [8, 32, 16],
  [9, 33, 17],
  [7, 31, 15],
  [17, 129, 3],
  [65, 67, 129],
  [1, 300, 40],
  [300, 1, 40],
];

const plain = sizes.flatMap(([M, N, K]) =>
  [false, true].flatMap((transposeA) =>
    [false, true].map(
      (transposeB): OpCase => ({
        name: `[${M}, ${K}] x [${K}, ${N}]${transposeA ? " a transposed" : ""}${transposeB ? " b transposed" : ""}`,
        inputs: [{ shape: transposeA ? [K, M] : [M, K] }, { shape: transposeB ? [N, K] : [K, N] }],
        build: (a, b) => matmul(a!, b!, { transposeA, transposeB }),
      }),
    ),
  ),
);
// Sums of up to 300 products of numbers up to 1 in float32: rounding grows with the length, not with the result.
checkOp("matmul", plain, { variants, atol: 1e-5 });

const batched: readonly (readonly [Shape, Shape])[] = [
  [
    [3, 5, 4],
    [3, 4, 6],
  ],
  [
    [3, 5, 4],
    [4, 6],
  ],
  [
    [5, 4],
    [3, 4, 6],
  ],
  [
    [1, 5, 4],
    [3, 4, 6],
  ],
  [
    [2, 1, 9, 4],
    [5, 4, 33],
  ],
  [
    [2, 1, 3, 9, 4],
    [5, 1, 4, 7],
  ],
  [[4], [4]],
  [[4], [4, 3]],
  [[3, 4], [4]],
  [[4], [2, 4, 3]],
  [[2, 3, 4], [4]],
];
checkOp(
  "batched matmul",
  batched.map(([a, b]) => ({
    name: `[${a}] x [${b}]`,
    inputs: [{ shape: a }, { shape: b }],
    build: (x, y) => matmul(x!, y!),
  })),
  { variants },
);
checkOp(
  "batched matmul, transposed",
  [
    [
      [3, 4, 5],
      [3, 6, 4],
    ],
    [
      [3, 4, 5],
      [6, 4],
    ],
    [
      [2, 1, 4, 5],
      [1, 3, 6, 4],
    ],
  ].map(([a, b]) => ({
    name: `[${a}]ᵀ x [${b}]ᵀ`,
    inputs: [{ shape: a! }, { shape: b! }],
    build: (x, y) => matmul(x!, y!, { transposeA: true, transposeB: true }),
  })),
  { variants },
);

checkGoldens(
  "matmul",
  {
    matmul: ({ a, b }, { attrs }) =>
      matmul(a!, b!, { transposeA: attrs.transpose_a === true, transposeB: attrs.transpose_b === true }),
  },
  { variants, atol: 3e-5 },
);

describe("matmul refuses", () => {
  it("inner sizes that differ", () => {
    expect(() => matmul(input([2, 3]), input([4, 5]))).toThrow(
      /matmul: inner sizes must agree, not 3 and 4, got f32\[2, 3\], f32\[4, 5\]/,
    );
    expect(() => matmul(input([2, 3]), input([3, 5]), { transposeA: true })).toThrow(
      /not 2 and 3 \(a transposed\)/,
    );
  });
  it("batches that do not broadcast", () => {
    expect(() => matmul(input([2, 3, 3]), input([4, 3, 3]))).toThrow(/matmul: shapes do not broadcast/);
  });
  it("scalars, transposed vectors, integers", () => {
    expect(() => matmul(input([]), input([3]))).toThrow(/matmul: inputs must be vectors/);
    expect(() => matmul(input([3]), input([3, 2]), { transposeA: true })).toThrow(/no transpose/);
    expect(() => matmul(input([3, 3], "i32"), input([3, 2]))).toThrow(/matmul: inputs must be f32/);
  });
});
