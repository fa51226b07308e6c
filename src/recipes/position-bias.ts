/** A bias for every output position of a convolution, where usually all positions of a filter share one. */

import type { Shape } from "../graph/spec.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import type { Module } from "../nn/module.ts";
import { add } from "../ops/elementwise/arithmetic.ts";

/** x + bias: `[N, C, H, W]`, `bias` [C, H, W], started at 0. */
export class PositionBias implements Module {
  readonly kind = "PositionBias";
  readonly bias: Tensor;

  constructor(shape: Shape) {
    this.bias = parameter(shape, 0, "bias");
  }

  forward(x: Tensor): Tensor {
    return add(x, this.bias);
  }
}
