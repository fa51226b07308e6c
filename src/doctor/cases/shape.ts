/** Cases of the doctor for ops that move elements: copies, other orders, parts, and elements by index. */

import { type Shape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { copy } from "../../ops/elementwise/copy.ts";
import { embedding, gather, oneHot, scatterAdd, take } from "../../ops/index/gather.ts";
import { expand } from "../../ops/reduce/sum.ts";
import { concat, split } from "../../ops/shape/concat.ts";
import { pad } from "../../ops/shape/pad.ts";
import { flip, slice } from "../../ops/shape/slice.ts";
import { tile } from "../../ops/shape/tile.ts";
import { permute } from "../../ops/shape/transpose.ts";
import { tril } from "../../ops/shape/triangle.ts";
import { type Check, each, type Leaf } from "../check.ts";

const moving = (op: string, shapes: readonly string[], apply: (x: Tensor) => Tensor): Check => ({
  op,
  cases: each(shapes, (x) => apply(x)),
});

/** Indices below `size`, some of them more than once. */
const indices = (shape: Shape, size: number): Leaf => ({
  shape,
  dtype: "i32",
  data: Array.from({ length: sizeOf(shape) }, (_, i) => (i * i + 2 * i) % size),
});

export const shapeChecks: readonly Check[] = [
  moving("copy", ["1", "13", "5x67"], copy),
  moving("expand", ["scalar", "13", "5x3"], (x) => expand(x, [3, ...x.shape])),
  moving("permute", ["2x3x5", "8x1x33", "16x17x4"], (x) => permute(x, [2, 0, 1])),
  moving("slice", ["7x5", "64x33"], (x) => slice(x, [1, 0], [6, 5], [2, 1])),
  moving("flip", ["13", "5x3x4"], flip),
  moving("pad", ["3x5", "2x8x9"], (x) => pad(x, [1, 2, 0, 3])),
  moving("tile", ["3x5", "1x7"], (x) => tile(x, [2, 3])),
  moving("split", ["7x5", "65x3"], (x) => split(x, 3)[1] as Tensor),
  moving("tril", ["5x7", "2x9x9"], tril),
  {
    op: "concat",
    cases: [
      { name: "along 0", leaves: "2x5 3x5", build: (a, b) => concat([a, b], 0) },
      { name: "along 1", leaves: "3x9 3x5", build: (a, b) => concat([a, b], 1) },
    ],
  },
  {
    op: "gather",
    cases: [
      {
        name: "elements",
        leaves: [{ shape: [5, 7] }, indices([5, 3], 7)],
        build: (x, i) => gather(x, i, 1),
      },
      { name: "slices", leaves: [{ shape: [5, 7] }, indices([11], 5)], build: (x, i) => take(x, i) },
      { name: "rows", leaves: [{ shape: [65, 9] }, indices([4, 33], 65)], build: (w, i) => embedding(i, w) },
      {
        name: "rows, without the gradient of one",
        leaves: [{ shape: [9, 5] }, indices([4, 7], 9)],
        build: (w, i) => embedding(i, w, { paddingIdx: 3 }),
      },
      {
        name: "from the end",
        leaves: [{ shape: [5, 7] }, { shape: [3], dtype: "i32", data: [-1, 0, -5] }],
        build: (x, i) => take(x, i),
      },
    ],
  },
  {
    op: "scatterAdd",
    cases: each([[{ shape: [5, 7] }, indices([9, 7], 5), { shape: [9, 7] }]], (x, i, values) =>
      scatterAdd(x, i, values, 0),
    ),
  },
  { op: "oneHot", gradients: false, cases: each([[indices([67], 10)]], (labels) => oneHot(labels, 10)) },
];
