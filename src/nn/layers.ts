/**
 * The layers of feed-forward networks, with PyTorch's defaults: weights Kaiming-uniform with a = √5, biases uniform
 * in ±1/√fanIn.
 */

import { checkOptions, expectNumber, type OptionKinds, withoutOptions } from "../common/options.ts";
import { type Pair, pair } from "../geometry/conv.ts";
import { expectWhole } from "../graph/op.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import { CONV, type ConvOptions, conv2d as conv2dOf } from "../ops/conv/convolutions.ts";
import { relu as reluOf, sigmoid as sigmoidOf, tanh as tanhOf } from "../ops/elementwise/activation.ts";
import { linear as linearOf } from "../ops/linalg/linear.ts";
import {
  AVG_POOL,
  type AvgPool2dOptions,
  avgPool2d as avgPoolOf,
  MAX_POOL,
  type MaxPool2dOptions,
  maxPool2d as maxPoolOf,
} from "../ops/pool/pool.ts";
import { logSoftmax as logSoftmaxOf, softmax as softmaxOf } from "../ops/reduce/softmax.ts";
import { flatten as flattenOf } from "../ops/shape/reshape.ts";
import { type Initializer, kaimingUniform, uniform } from "./init.ts";
import type { Module } from "./module.ts";

export interface WeightOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Default Kaiming-uniform with a = √5, PyTorch's choice. */
  readonly weightInit?: Initializer;
  /** Default uniform in ±1/√fanIn. */
  readonly biasInit?: Initializer;
}

export const WEIGHT = {
  bias: "boolean",
  weightInit: "function",
  biasInit: "function",
} as const satisfies OptionKinds<WeightOptions>;

/** y = x wᵀ + b: `[…, in] -> […, out]`. `weight` is [out, in], `bias` [out]. */
export class Linear implements Module {
  readonly kind = "Linear";
  readonly weight: Tensor;
  readonly bias?: Tensor;

  constructor(inFeatures: number, outFeatures: number, options: WeightOptions = {}) {
    checkOptions("nn.linear", options, WEIGHT);
    expectWhole("nn.linear", "inFeatures", inFeatures, 1);
    expectWhole("nn.linear", "outFeatures", outFeatures, 1);
    const shape = [outFeatures, inFeatures];
    this.weight = parameter(shape, (options.weightInit ?? kaimingUniform())(shape), "weight");
    if (options.bias !== false) this.bias = biasOf(outFeatures, inFeatures, options);
  }

  forward(x: Tensor): Tensor {
    return linearOf(x, this.weight, this.bias);
  }
}

/** Cross-correlation: `[N, in, H, W] -> [N, out, OH, OW]`. `weight` is [out, in/groups, KH, KW], `bias` [out]. */
export class Conv2d implements Module {
  readonly kind = "Conv2d";
  readonly weight: Tensor;
  readonly bias?: Tensor;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Pair,
    readonly options: ConvOptions & WeightOptions = {},
  ) {
    checkOptions("nn.conv2d", options, { ...CONV, ...WEIGHT });
    expectWhole("nn.conv2d", "inChannels", inChannels, 1);
    expectWhole("nn.conv2d", "outChannels", outChannels, 1);
    const [ky, kx] = pair("nn.conv2d", "kernelSize", kernelSize, 1);
    const perGroup = expectWhole("nn.conv2d", "inChannels / groups", inChannels / (options.groups ?? 1), 1);
    const shape = [outChannels, perGroup, ky, kx];
    this.weight = parameter(shape, (options.weightInit ?? kaimingUniform())(shape), "weight");
    if (options.bias !== false) this.bias = biasOf(outChannels, perGroup * ky * kx, options);
  }

  forward(x: Tensor): Tensor {
    const { bias: _, weightInit: _w, biasInit: _b, ...conv } = this.options;
    return conv2dOf(x, this.weight, this.bias, conv);
  }
}

function biasOf(size: number, fanIn: number, options: WeightOptions): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  return parameter([size], (options.biasInit ?? uniform(-bound, bound))([size]), "bias");
}

export const linear = (inFeatures: number, outFeatures: number, options?: WeightOptions) =>
  new Linear(inFeatures, outFeatures, options);

export const conv2d = (
  inChannels: number,
  outChannels: number,
  kernelSize: Pair,
  options?: ConvOptions & WeightOptions,
) => new Conv2d(inChannels, outChannels, kernelSize, options);

export const relu = withoutOptions("nn.relu", reluOf);
export const sigmoid = withoutOptions("nn.sigmoid", sigmoidOf);
export const tanh = withoutOptions("nn.tanh", tanhOf);
export const flatten = (startAxis = 1) => {
  expectNumber("nn.flatten", "startAxis", startAxis);
  return (x: Tensor) => flattenOf(x, startAxis);
};
export const softmax = (axis = -1) => {
  expectNumber("nn.softmax", "axis", axis);
  return (x: Tensor) => softmaxOf(x, axis);
};
export const logSoftmax = (axis = -1) => {
  expectNumber("nn.logSoftmax", "axis", axis);
  return (x: Tensor) => logSoftmaxOf(x, axis);
};
export const maxPool2d = (kernelSize: Pair, options: MaxPool2dOptions = {}) => {
  pair("nn.maxPool2d", "kernelSize", kernelSize, 1);
  checkOptions("nn.maxPool2d", options, MAX_POOL);
  return (x: Tensor) => maxPoolOf(x, kernelSize, options);
};
export const avgPool2d = (kernelSize: Pair, options: AvgPool2dOptions = {}) => {
  pair("nn.avgPool2d", "kernelSize", kernelSize, 1);
  checkOptions("nn.avgPool2d", options, AVG_POOL);
  return (x: Tensor) => avgPoolOf(x, kernelSize, options);
};
