/** Activations as layers, with PyTorch's names and defaults. */

import { expectWhole } from "../graph/op.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import {
  celu as celuOf,
  elu as eluOf,
  GELU,
  type GeluOptions,
  gelu as geluOf,
  hardSigmoid as hardSigmoidOf,
  hardSwish as hardSwishOf,
  hardtanh as hardtanhOf,
  identity as identityOf,
  leakyRelu as leakyReluOf,
  logSigmoid as logSigmoidOf,
  mish as mishOf,
  prelu as preluOf,
  relu6 as relu6Of,
  SOFTPLUS,
  type SoftplusOptions,
  selu as seluOf,
  silu as siluOf,
  softplus as softplusOf,
  softsign as softsignOf,
  threshold as thresholdOf,
} from "../ops/elementwise/activations.ts";
import { sign as signOf } from "../ops/elementwise/math.ts";
import {
  relu as reluOf,
  sigmoid as sigmoidOf,
  tanh as tanhOf,
} from "../ops/elementwise/relu-sigmoid-tanh.ts";
import { logSoftmax as logSoftmaxOf, softmax as softmaxOf } from "../ops/reduce/softmax.ts";
import { checkOptions, expectNumber, withoutOptions } from "../validation/options.ts";
import type { Module } from "./module.ts";

export const identity = withoutOptions("nn.identity", identityOf);
export const relu = withoutOptions("nn.relu", reluOf);
export const sigmoid = withoutOptions("nn.sigmoid", sigmoidOf);
export const tanh = withoutOptions("nn.tanh", tanhOf);
export const hardSigmoid = withoutOptions("nn.hardSigmoid", hardSigmoidOf);
export const hardSwish = withoutOptions("nn.hardSwish", hardSwishOf);
export const logSigmoid = withoutOptions("nn.logSigmoid", logSigmoidOf);
export const mish = withoutOptions("nn.mish", mishOf);
export const relu6 = withoutOptions("nn.relu6", relu6Of);
export const selu = withoutOptions("nn.selu", seluOf);
/** -1, 0 or 1; its gradient is 0 everywhere, so layers before it don't learn. */
export const sign = withoutOptions("nn.sign", signOf);
export const silu = withoutOptions("nn.silu", siluOf);
export const softsign = withoutOptions("nn.softsign", softsignOf);
export const celu = (alpha = 1) => {
  expectNumber("nn.celu", "alpha", alpha);
  return (x: Tensor) => celuOf(x, alpha);
};
export const elu = (alpha = 1) => {
  expectNumber("nn.elu", "alpha", alpha);
  return (x: Tensor) => eluOf(x, alpha);
};
export const gelu = (options: GeluOptions = {}) => {
  checkOptions("nn.gelu", options, GELU);
  return (x: Tensor) => geluOf(x, options);
};
export const hardtanh = (low = -1, high = 1) => {
  expectNumber("nn.hardtanh", "low", low);
  expectNumber("nn.hardtanh", "high", high);
  return (x: Tensor) => hardtanhOf(x, low, high);
};
export const leakyRelu = (negativeSlope = 0.01) => {
  expectNumber("nn.leakyRelu", "negativeSlope", negativeSlope);
  return (x: Tensor) => leakyReluOf(x, negativeSlope);
};
export const softplus = (options: SoftplusOptions = {}) => {
  checkOptions("nn.softplus", options, SOFTPLUS);
  return (x: Tensor) => softplusOf(x, options);
};
export const threshold = (threshold: number, value: number) => {
  expectNumber("nn.threshold", "threshold", threshold);
  expectNumber("nn.threshold", "value", value);
  return (x: Tensor) => thresholdOf(x, threshold, value);
};
export const softmax = (axis = -1) => {
  expectNumber("nn.softmax", "axis", axis);
  return (x: Tensor) => softmaxOf(x, axis);
};
export const logSoftmax = (axis = -1) => {
  expectNumber("nn.logSoftmax", "axis", axis);
  return (x: Tensor) => logSoftmaxOf(x, axis);
};

/** x, or weight · x below 0; `weight` [numParameters] is learned: one for all, or one per channel. */
export class PRelu implements Module {
  readonly kind = "PReLU";
  readonly weight: Tensor;

  constructor(numParameters = 1, init = 0.25) {
    expectWhole("nn.prelu", "numParameters", numParameters, 1);
    expectNumber("nn.prelu", "init", init);
    this.weight = parameter([numParameters], init, "weight");
  }

  forward(x: Tensor): Tensor {
    return preluOf(x, this.weight);
  }
}

export const prelu = (numParameters?: number, init?: number) => new PRelu(numParameters, init);
