/** The gated perceptron of LLaMA-like transformers. */

import { expectWhole } from "../graph/op.ts";
import { scope, type Tensor } from "../graph/tensor.ts";
import { swiglu as swigluOf } from "../ops/elementwise/swiglu.ts";
import { checkOptions } from "../validation/options.ts";
import { Linear, WEIGHT, type WeightOptions } from "./linear.ts";
import type { Module } from "./module.ts";

/**
 * down_proj(silu(gate) · up), where `gate_up_proj` gives gate and up in one product: its weight [2 hiddenSize, size] stacks
 * those of LLaMA's `gate_proj` (w1) and `up_proj` (w3), as in Phi-3. `down_proj` (w2) goes back to `size`.
 */
export class SwiGlu implements Module {
  readonly kind = "SwiGlu";
  readonly gate_up_proj: Linear;
  readonly down_proj: Linear;

  constructor(size: number, hiddenSize: number, options: WeightOptions = {}) {
    checkOptions("nn.swiglu", options, WEIGHT);
    expectWhole("nn.swiglu", "size", size, 1);
    expectWhole("nn.swiglu", "hiddenSize", hiddenSize, 1);
    const given = { bias: false, ...options };
    this.gate_up_proj = new Linear(size, 2 * hiddenSize, given);
    this.down_proj = new Linear(hiddenSize, size, given);
  }

  /** […, size] -> the same. */
  forward(x: Tensor): Tensor {
    const hidden = swigluOf(scope("gate_up_proj", () => this.gate_up_proj.forward(x)));
    return scope("down_proj", () => this.down_proj.forward(hidden));
  }
}

/** A gated perceptron of `hiddenSize` features; no biases unless the options say so. */
export const swiglu = (size: number, hiddenSize: number, options?: WeightOptions) =>
  new SwiGlu(size, hiddenSize, options);
