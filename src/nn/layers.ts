/**
 * The layers of feed-forward networks, with PyTorch's defaults: weights Kaiming-uniform with a = √5, biases uniform
 * in ±1/√fanIn.
 */

import { expectWhole } from "../op.ts";
import { relu as reluOf, sigmoid as sigmoidOf, tanh as tanhOf } from "../ops/activation.ts";
import { type ConvOptions, conv2d as conv2dOf } from "../ops/convolutions.ts";
import { linear as linearOf } from "../ops/linear.ts";
import {
  type AvgPool2dOptions,
  avgPool2d as avgPoolOf,
  type MaxPool2dOptions,
  maxPool2d as maxPoolOf,
} from "../ops/pool.ts";
import { flatten as flattenOf } from "../ops/reshape.ts";
import { logSoftmax as logSoftmaxOf, softmax as softmaxOf } from "../ops/softmax.ts";
import { parameter, type Tensor } from "../tensor.ts";
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

/** y = x wᵀ + b: `[…, in] -> […, out]`. `weight` is [out, in], `bias` [out]. */
export class Linear implements Module {
  readonly kind = "Linear";
  readonly weight: Tensor;
  readonly bias?: Tensor;

  constructor(inFeatures: number, outFeatures: number, options: WeightOptions = {}) {
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
    kernelSize: number | readonly [number, number],
    readonly options: ConvOptions & WeightOptions = {},
  ) {
    expectWhole("nn.conv2d", "inChannels", inChannels, 1);
    expectWhole("nn.conv2d", "outChannels", outChannels, 1);
    const [ky, kx] = typeof kernelSize === "number" ? [kernelSize, kernelSize] : kernelSize;
    expectWhole("nn.conv2d", "kernelSize", ky, 1);
    expectWhole("nn.conv2d", "kernelSize", kx, 1);
    const perGroup = expectWhole("nn.conv2d", "inChannels / groups", inChannels / (options.groups ?? 1), 1);
    const shape = [outChannels, perGroup, ky, kx];
    this.weight = parameter(shape, (options.weightInit ?? kaimingUniform())(shape), "weight");
    if (options.bias !== false) this.bias = biasOf(outChannels, perGroup * ky * kx, options);
  }

  forward(x: Tensor): Tensor {
    return conv2dOf(x, this.weight, this.bias, this.options);
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
  kernelSize: number | readonly [number, number],
  options?: ConvOptions & WeightOptions,
) => new Conv2d(inChannels, outChannels, kernelSize, options);

export const relu = () => reluOf;
export const sigmoid = () => sigmoidOf;
export const tanh = () => tanhOf;
export const flatten =
  (startAxis = 1) =>
  (x: Tensor) =>
    flattenOf(x, startAxis);
export const softmax =
  (axis = -1) =>
  (x: Tensor) =>
    softmaxOf(x, axis);
export const logSoftmax =
  (axis = -1) =>
  (x: Tensor) =>
    logSoftmaxOf(x, axis);
export const maxPool2d =
  (kernelSize: number | readonly [number, number], options?: MaxPool2dOptions) => (x: Tensor) =>
    maxPoolOf(x, kernelSize, options);
export const avgPool2d =
  (kernelSize: number | readonly [number, number], options?: AvgPool2dOptions) => (x: Tensor) =>
    avgPoolOf(x, kernelSize, options);
