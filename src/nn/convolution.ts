/** Layers of one-dimensional and transposed convolutions, pools to a given size and upsampling, PyTorch's defaults. */

import { checkOptions, withoutOptions } from "../common/options.ts";
import { type Pair, pair } from "../geometry/conv.ts";
import { expectWhole } from "../graph/op.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import {
  CONV_TRANSPOSE,
  CONV1D,
  type Conv1dOptions,
  type ConvTranspose2dOptions,
  conv1d as conv1dOf,
  convTranspose2d as convTransposeOf,
} from "../ops/conv/convolutions.ts";
import {
  adaptiveAvgPool2d as adaptiveAvgOf,
  adaptiveMaxPool2d as adaptiveMaxOf,
  globalAvgPool2d as globalAvgOf,
  globalMaxPool2d as globalMaxOf,
  UPSAMPLE,
  type UpsampleOptions,
  upsample as upsampleOf,
} from "../ops/pool/resize.ts";
import { kaimingUniform, uniform } from "./init.ts";
import { WEIGHT, type WeightOptions } from "./layers.ts";
import type { Module } from "./module.ts";

function weightOf(shape: readonly number[], options: WeightOptions): Tensor {
  return parameter(shape, (options.weightInit ?? kaimingUniform())([...shape]), "weight");
}

function biasOf(size: number, fanIn: number, options: WeightOptions): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  return parameter([size], (options.biasInit ?? uniform(-bound, bound))([size]), "bias");
}

/** `[N, in, L] -> [N, out, OL]`. `weight` is [out, in/groups, K], `bias` [out]. */
export class Conv1d implements Module {
  readonly kind = "Conv1d";
  readonly weight: Tensor;
  readonly bias?: Tensor;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    readonly options: Conv1dOptions & WeightOptions = {},
  ) {
    checkOptions("nn.conv1d", options, { ...CONV1D, ...WEIGHT });
    expectWhole("nn.conv1d", "inChannels", inChannels, 1);
    expectWhole("nn.conv1d", "outChannels", outChannels, 1);
    expectWhole("nn.conv1d", "kernelSize", kernelSize, 1);
    const perGroup = expectWhole("nn.conv1d", "inChannels / groups", inChannels / (options.groups ?? 1), 1);
    this.weight = weightOf([outChannels, perGroup, kernelSize], options);
    if (options.bias !== false) this.bias = biasOf(outChannels, perGroup * kernelSize, options);
  }

  forward(x: Tensor): Tensor {
    const { bias: _, weightInit: _w, biasInit: _b, ...conv } = this.options;
    return conv1dOf(x, this.weight, this.bias, conv);
  }
}

/** `[N, in, H, W] -> [N, out, OH, OW]`. `weight` is [in, out/groups, KH, KW], `bias` [out]. */
export class ConvTranspose2d implements Module {
  readonly kind = "ConvTranspose2d";
  readonly weight: Tensor;
  readonly bias?: Tensor;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Pair,
    readonly options: ConvTranspose2dOptions & WeightOptions = {},
  ) {
    const who = "nn.convTranspose2d";
    checkOptions(who, options, { ...CONV_TRANSPOSE, ...WEIGHT });
    expectWhole(who, "inChannels", inChannels, 1);
    const [ky, kx] = pair(who, "kernelSize", kernelSize, 1);
    const perGroup = expectWhole(who, "outChannels / groups", outChannels / (options.groups ?? 1), 1);
    this.weight = weightOf([inChannels, perGroup, ky, kx], options);
    if (options.bias !== false) this.bias = biasOf(outChannels, perGroup * ky * kx, options);
  }

  forward(x: Tensor): Tensor {
    const { bias: _, weightInit: _w, biasInit: _b, ...conv } = this.options;
    return convTransposeOf(x, this.weight, this.bias, conv);
  }
}

export const conv1d = (
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  options?: Conv1dOptions & WeightOptions,
) => new Conv1d(inChannels, outChannels, kernelSize, options);

export const convTranspose2d = (
  inChannels: number,
  outChannels: number,
  kernelSize: Pair,
  options?: ConvTranspose2dOptions & WeightOptions,
) => new ConvTranspose2d(inChannels, outChannels, kernelSize, options);

export const globalAvgPool2d = withoutOptions("nn.globalAvgPool2d", globalAvgOf);
export const globalMaxPool2d = withoutOptions("nn.globalMaxPool2d", globalMaxOf);
export const adaptiveAvgPool2d = (outputSize: Pair) => {
  pair("nn.adaptiveAvgPool2d", "outputSize", outputSize, 1);
  return (x: Tensor) => adaptiveAvgOf(x, outputSize);
};
export const adaptiveMaxPool2d = (outputSize: Pair) => {
  pair("nn.adaptiveMaxPool2d", "outputSize", outputSize, 1);
  return (x: Tensor) => adaptiveMaxOf(x, outputSize);
};
export const upsample = (options: UpsampleOptions) => {
  checkOptions("nn.upsample", options, UPSAMPLE);
  return (x: Tensor) => upsampleOf(x, options);
};
