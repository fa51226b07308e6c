/** What moves elements without computing: copies, other orders, parts, places by index. */

import type { Shape } from "../../graph/spec.ts";
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
import type { Case, Check, Leaf } from "../check.ts";

const moving = (op: string, shapes: readonly Shape[], apply: (x: Tensor) => Tensor): Check => ({
  op,
  cases: shapes.map((shape): Case => ({ name: `[${shape}]`, leaves: [{ shape }], build: (x) => apply(x!) })),
});

/** Indices below `size`, some of them twice. */
const indices = (shape: readonly number[], size: number): Leaf => ({
  shape,
  dtype: "i32",
  data: Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => (i * i + 2 * i) % size),
});

export const layoutChecks: readonly Check[] = [
  moving("copy", [[1], [13], [5, 67]], copy),
  moving("expand", [[], [13], [5, 3]], (x) => expand(x, [3, ...x.shape])),
  moving(
    "permute",
    [
      [2, 3, 5],
      [8, 1, 33],
      [16, 17, 4],
    ],
    (x) => permute(x, [2, 0, 1]),
  ),
  moving(
    "slice",
    [
      [7, 5],
      [64, 33],
    ],
    (x) => slice(x, [1, 0], [6, 5], [2, 1]),
  ),
  moving("flip", [[13], [5, 3, 4]], flip),
  moving(
    "pad",
    [
      [3, 5],
      [2, 8, 9],
    ],
    (x) => pad(x, [1, 2, 0, 3]),
  ),
  moving(
    "tile",
    [
      [3, 5],
      [1, 7],
    ],
    (x) => tile(x, [2, 3]),
  ),
  moving(
    "split",
    [
      [7, 5],
      [65, 3],
    ],
    (x) => split(x, 3)[1]!,
  ),
  moving(
    "tril",
    [
      [5, 7],
      [2, 9, 9],
    ],
    tril,
  ),
  {
    op: "concat",
    cases: [0, 1].map((axis) => ({
      name: `along ${axis}`,
      leaves: [{ shape: axis === 0 ? [2, 5] : [3, 9] }, { shape: [3, 5] }],
      build: (a: Tensor, b: Tensor) => concat([a, b], axis),
    })) as Case[],
  },
  {
    op: "gather",
    cases: [
      {
        name: "elements",
        leaves: [{ shape: [5, 7] }, indices([5, 3], 7)],
        build: (x, i) => gather(x!, i!, 1),
      },
      { name: "slices", leaves: [{ shape: [5, 7] }, indices([11], 5)], build: (x, i) => take(x!, i!) },
      {
        name: "rows",
        leaves: [{ shape: [65, 9] }, indices([4, 33], 65)],
        build: (w, i) => embedding(i!, w!),
      },
    ],
  },
  {
    op: "scatterAdd",
    cases: [
      {
        name: "elements",
        leaves: [{ shape: [5, 7] }, indices([9, 7], 5), { shape: [9, 7] }],
        build: (x, i, values) => scatterAdd(x!, i!, values!, 0),
      },
    ],
  },
  {
    op: "oneHot",
    gradients: false,
    cases: [{ name: "[67] of 10", leaves: [indices([67], 10)], build: (labels) => oneHot(labels!, 10) }],
  },
];
