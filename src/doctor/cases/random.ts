/** Numbers drawn on the device: the reference draws the very same. */
import { bernoulli, dropout, normal, RandomSource, uniform } from "../../ops/random.ts";
import type { Shape, Tensor } from "../../tensor.ts";
import type { Case, Check, Leaf } from "../check.ts";

const shapes: readonly Shape[] = [[1], [13], [67, 65]];

const source: readonly Leaf[] = [
  { shape: [1], dtype: "u32", data: [41] },
  { shape: [2], dtype: "u32", data: [7, 9] },
];

const drawing = (op: string, draw: (shape: Shape, source: RandomSource) => Tensor): Check => ({
  op,
  gradients: false,
  // A logarithm and a cosine of our own in float32.
  atol: 5e-6,
  cases: shapes.map(
    (shape): Case => ({
      name: `[${shape}]`,
      leaves: source,
      build: (step, key) => draw(shape, new RandomSource(step!, key!)),
    }),
  ),
});

export const randomChecks: readonly Check[] = [
  drawing("uniform", (shape, source) => uniform(shape, source, { low: -1, high: 2 })),
  drawing("normal", (shape, source) => normal(shape, source)),
  drawing("bernoulli", (shape, source) => bernoulli(shape, 0.3, source)),
  {
    op: "dropout",
    cases: shapes.map(
      (shape): Case => ({
        name: `[${shape}]`,
        leaves: [{ shape }, ...source],
        build: (x, step, key) => dropout(x!, 0.4, new RandomSource(step!, key!)),
      }),
    ),
  },
];
