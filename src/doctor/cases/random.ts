/** Cases of the doctor for random numbers drawn on the device; the reference draws the same. */

import type { Shape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { affineSample } from "../../ops/index/affine-sample.ts";
import { drawAffine } from "../../ops/random/draw-affine.ts";
import { bernoulli, choice, dropout, normal, RandomSource, uniform } from "../../ops/random/random.ts";
import type { Case, Check, Leaf } from "../check.ts";

const SHAPES: readonly Shape[] = [[1], [13], [67, 65]];

/** The step and the key that numbers are drawn from. */
const SOURCE: readonly Leaf[] = [
  { shape: [1], dtype: "u32", data: [41] },
  { shape: [2], dtype: "u32", data: [7, 9] },
];

const drawing = (op: string, draw: (shape: Shape, source: RandomSource) => Tensor): Check => ({
  op,
  gradients: false,
  // Logarithm and cosine are computed in float32.
  atol: 5e-6,
  cases: SHAPES.map(
    (shape): Case => ({
      name: `[${shape}]`,
      leaves: SOURCE,
      build: (step, key) => draw(shape, new RandomSource(step, key)),
    }),
  ),
});

const MAPS = [
  { degrees: [-180, 180], shear: [-30, 30] },
  { flipX: 0.5, scale: [0.5, 2], x: [-3.5, 3.5] },
] as const;

export const randomChecks: readonly Check[] = [
  drawing("uniform", (shape, source) => uniform(shape, source, { low: -1, high: 2 })),
  drawing("normal", (shape, source) => normal(shape, source)),
  drawing("bernoulli", (shape, source) => bernoulli(shape, 0.3, source)),
  drawing("choice", (shape, source) => choice(shape, [3, -1, 7], source)),
  {
    op: "drawAffine",
    gradients: false,
    cases: [1, 67].map(
      (count): Case => ({
        name: `${count} maps`,
        leaves: SOURCE,
        build: (step, key) => drawAffine(count, MAPS, new RandomSource(step, key)),
      }),
    ),
  },
  {
    op: "affineSample",
    gradients: false,
    cases: (["bilinear", "nearest"] as const).map(
      (interpolation): Case => ({
        name: interpolation,
        leaves: [{ shape: [3, 2, 9, 7] }, ...SOURCE],
        build: (x, step, key) => {
          const maps = drawAffine(3, [{ degrees: [-30, 30] }], new RandomSource(step, key));
          return affineSample(x, maps, { interpolation, size: [8, 11] });
        },
      }),
    ),
  },
  {
    op: "dropout",
    cases: SHAPES.map(
      (shape): Case => ({
        name: `[${shape}]`,
        leaves: [{ shape }, ...SOURCE],
        build: (x, step, key) => dropout(x, 0.4, new RandomSource(step, key)),
      }),
    ),
  },
];
