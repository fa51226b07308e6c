/** matmul: shapes around every tile edge, transposes, batches, vectors, goldens, every kernel variant. */
import { describe, expect, it } from "vitest";
import type { Shape } from "../../src/graph/spec.ts";
import { input } from "../../src/graph/tensor.ts";
import { matmul } from "../../src/ops/linalg/matmul.ts";
import { checkOp, type OpCase } from "../support/check-op.ts";
import { checkGoldens } from "../support/golden.ts";

type Sizes = readonly [M: number, N: number, K: number];

function cases(sizes: readonly Sizes[], transposes: readonly (readonly [boolean, boolean])[]): OpCase[] {
  return sizes.flatMap(([M, N, K]) =>
    transposes.map(([transposeA, transposeB]) => ({
      name: `[${M}, ${K}]${transposeA ? "ᵀ" : ""} x [${K}, ${N}]${transposeB ? "ᵀ" : ""}`,
      inputs: [{ shape: transposeA ? [K, M] : [M, K] }, { shape: transposeB ? [N, K] : [K, N] }],
      build: (a, b) => matmul(a!, b!, { transposeA, transposeB }),
    })),
  );
}

const straight = [[false, false]] as const;
const everyWay = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;
// Sums of up to 300 products of numbers up to 1 in float32: rounding grows with the length, not with the result.
const atol = 1e-5;

// Tiles are 16 x 16 or 16 x 32 (subgroup), 8 x 64 (register), 64 x 64 (shared memory), with k steps of 2, 4 and 16. Rows of
// odd length are read otherwise than those of even length.
checkOp(
  "matmul",
  [
    ...cases(
      [
        [1, 1, 1],
        [5, 300, 7],
        [300, 5, 8],
        [15, 31, 17],
        [65, 129, 3],
      ],
      straight,
    ),
    ...cases(
      [
        [16, 32, 16],
        [17, 33, 18],
        [18, 34, 19],
        [17, 33, 19],
      ],
      everyWay,
    ),
  ],
  { variants: [{ matmul: "subgroup" }], atol },
);
checkOp(
  "matmul",
  [
    ...cases([[1, 5, 1]], straight),
    ...cases(
      [
        [9, 66, 10],
        [8, 64, 12],
      ],
      everyWay,
    ),
  ],
  {
    variants: [{ matmul: "register" }],
    atol,
  },
);
// Few rows or few columns: the skinny tile is chosen.
checkOp(
  "matmul",
  cases(
    [
      [1, 300, 7],
      [300, 1, 8],
      [3, 2, 300],
      [2, 33, 5],
      [4, 36, 8],
    ],
    [[false, true]],
  ),
  { atol },
);
checkOp("matmul", cases([[6, 33, 5]], [[true, false]]), { variants: [{ matmul: "skinny" }], atol });
// Slow to compile on software adapters, hence few cases; the golden values below go through shared memory, too.
checkOp("matmul", cases([[65, 127, 33]], straight), { variants: [{ matmul: "sharedMemory" }], atol });
checkOp("matmul", [...cases([[33, 65, 35]], straight), ...cases([[3, 4, 20]], [[true, true]])], {
  variants: [{ matmul: "smallSharedMemory" }],
  atol,
});
checkOp(
  "matmul",
  cases(
    [
      [5, 6, 300],
      [1, 1, 16],
      [2, 37, 33],
      [6, 9, 77],
    ],
    [[false, true]],
  ),
  {
    variants: [{ matmul: "splitK" }],
    atol,
  },
);

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
  // Rows of odd length, in products that all begin at even numbers and in others.
  [
    [3, 20, 7],
    [3, 7, 18],
  ],
  [
    [3, 21, 7],
    [3, 7, 19],
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
);

checkGoldens(
  "matmul",
  {
    matmul: ({ a, b }, { attrs }) =>
      matmul(a!, b!, { transposeA: attrs.transpose_a === true, transposeB: attrs.transpose_b === true }),
  },
  {
    variants: ["subgroup", "register", "skinny", "splitK"].map((matmul) => ({ matmul })),
    slow: [{ matmul: "sharedMemory" }],
    atol: 3e-5,
  },
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
