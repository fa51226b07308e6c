/** Activations as layers, with PyTorch's names and defaults. relu, sigmoid, tanh, softmax are in layers.ts. */
import {
  elu as eluOf,
  type GeluOptions,
  gelu as geluOf,
  hardSigmoid as hardSigmoidOf,
  hardtanh as hardtanhOf,
  identity as identityOf,
  leakyRelu as leakyReluOf,
  mish as mishOf,
  prelu as preluOf,
  type SoftplusOptions,
  selu as seluOf,
  silu as siluOf,
  softplus as softplusOf,
} from "../ops/activations.ts";
import { sign as signOf } from "../ops/math.ts";
import { parameter, type Tensor } from "../tensor.ts";
import type { Module } from "./module.ts";

export const identity = () => identityOf;
export const elu =
  (alpha = 1) =>
  (x: Tensor) =>
    eluOf(x, alpha);
export const gelu = (options?: GeluOptions) => (x: Tensor) => geluOf(x, options);
export const hardSigmoid = () => hardSigmoidOf;
export const hardtanh =
  (low = -1, high = 1) =>
  (x: Tensor) =>
    hardtanhOf(x, low, high);
export const leakyRelu =
  (negativeSlope = 0.01) =>
  (x: Tensor) =>
    leakyReluOf(x, negativeSlope);
export const mish = () => mishOf;
export const selu = () => seluOf;
/** -1, 0 or 1; its gradient is 0 everywhere, so nothing before it learns. */
export const sign = () => signOf;
export const silu = () => siluOf;
export const softplus = (options?: SoftplusOptions) => (x: Tensor) => softplusOf(x, options);

/** x, or weight · x below 0; `weight` [numParameters] is learned: one for all, or one per channel. */
export class PRelu implements Module {
  readonly kind = "PReLU";
  readonly weight: Tensor;

  constructor(numParameters = 1, init = 0.25) {
    this.weight = parameter([numParameters], init, "weight");
  }

  forward(x: Tensor): Tensor {
    return preluOf(x, this.weight);
  }
}

export const prelu = (numParameters?: number, init?: number) => new PRelu(numParameters, init);
