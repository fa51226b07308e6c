/** Layers that change the size of images: pooling, by kernel size or to a given output size, and upsampling. */

import { type Pair, pair } from "../geometry/conv.ts";
import type { Tensor } from "../graph/tensor.ts";
import {
  AVG_POOL,
  type AvgPool2dOptions,
  avgPool2d as avgPoolOf,
  MAX_POOL,
  type MaxPool2dOptions,
  maxPool2d as maxPoolOf,
} from "../ops/pool/pool.ts";
import {
  adaptiveAvgPool2d as adaptiveAvgOf,
  adaptiveMaxPool2d as adaptiveMaxOf,
  globalAvgPool2d as globalAvgOf,
  globalMaxPool2d as globalMaxOf,
  UPSAMPLE,
  type UpsampleOptions,
  upsample as upsampleOf,
} from "../ops/pool/resize.ts";
import { checkOptions, withoutOptions } from "../validation/options.ts";

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
