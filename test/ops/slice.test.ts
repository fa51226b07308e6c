/** slice, flip and their gradients: every kind of place, steps, many axes, integers, refusals. */
import { expect, it } from "vitest";
import type { Shape } from "../../src/graph/spec.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { flip, slice } from "../../src/ops/shape/slice.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";

type Places = (number | undefined)[];
const slices: readonly (readonly [Shape, Places, Places, Places?])[] = [
  [[1], [0], [1]],
  [[7], [2], [5]],
  [[7], [-3], [99]],
  [[7], [], [], [3]],
  [[7], [1], [7], [2]],
  [[257], [1], [257]],
  [[7], [], [], [-1]],
  [[7], [5], [1], [-2]],
  [[7], [-2], [-7], [-1]],
  [[7], [99], [-99], [-3]],
  [
    [5, 65],
    [3, undefined],
    [undefined, 2],
    [-2, -5],
  ],
  [
    [5, 65],
    [0, 3],
    [5, 64],
  ],
  [
    [5, 65],
    [1, 0],
    [4, 65],
    [2, 3],
  ],
  [
    [3, 4, 5],
    [0, 1],
    [3, 3],
  ],
  [
    [2, 3, 4, 5],
    [1, 0, 1, 2],
    [2, 3, 3, -1],
  ],
  [
    [3, 2, 3, 2, 3, 4],
    [0, 0, 0, 0, 0, 0],
    [2, 2, 2, 2, 2, 3],
  ],
];

checkOp(
  "slice",
  slices.map(([shape, starts, ends, steps]) => ({
    name: `[${shape}] from [${starts}] to [${ends}] by [${steps ?? []}]`,
    inputs: [{ shape }],
    build: (x) => slice(x!, starts, ends, steps),
  })),
);

checkOp(
  "flip",
  (
    [
      [[1], [0]],
      [[7], [0]],
      [[3, 65], [1]],
      [[3, 65], [0]],
      [
        [2, 3, 5],
        [0, 2],
      ],
      [
        [2, 3, 5],
        [0, 1, 2],
      ],
    ] as const
  ).map(([shape, axes]) => ({
    name: `[${shape}] along [${axes}]`,
    inputs: [{ shape }],
    build: (x) => flip(x!, axes),
  })),
);

it("moves whole numbers as they are", async () => {
  const gpu = await gpuBackend();
  const x = constant(Int32Array.of(-1, 2, -3, 2 ** 30, 5, -6), [2, 3]);
  const [part, turned] = [slice(x, [0, 1], [2, 3]), flip(x)];
  const program = await gpu.compile({ outputs: [part, turned] });
  program.run();
  expect([...(await program.read(part))]).toEqual([2, -3, 5, -6]);
  expect([...(await program.read(turned))]).toEqual([-6, 5, 2 ** 30, -3, 2, -1]);
});

it("refuses empty parts and places that make no sense", () => {
  const x = input([2, 3]);
  expect(slice(x, [0], [2])).toBe(x);
  expect(() => slice(x, [1], [1])).toThrow(/slice: nothing lies from \[1, 0\] to \[1, 3\], got f32\[2, 3\]/);
  expect(() => slice(x, [0, 0, 0], [1])).toThrow(/slice: has more positions than axes/);
  expect(() => slice(x, [0.5], [2])).toThrow(/slice: positions must be whole numbers/);
  expect(() => flip(x, 2)).toThrow(/flip: axis 2 does not exist/);
});

it("negative steps pick the elements that Python picks", async () => {
  const gpu = await gpuBackend();
  const x = constant(Array.from({ length: 7 }, (_, i) => i));
  const outputs = [
    slice(x, [], [], [-1]),
    slice(x, [5], [1], [-2]),
    slice(x, [-2], [undefined], [-2]),
    slice(x, [99], [3], [-1]),
    slice(x, [2], [-99], [-1]),
  ];
  const program = await gpu.compile({ outputs });
  program.run();
  expect(await Promise.all(outputs.map(async (t) => [...(await program.read(t))]))).toEqual([
    [6, 5, 4, 3, 2, 1, 0],
    [5, 3],
    [5, 3, 1],
    [6, 5, 4],
    [2, 1, 0],
  ]);
  expect(() => slice(x, [1], [5], [-1])).toThrow(/slice: nothing lies from \[1\] to \[5\]/);
  expect(() => slice(x, [], [], [0])).toThrow(/slice: positions must be whole numbers, steps too and not 0/);
});
