/** Layers that change the size of signals, images and volumes: pooling, by kernel size or to a given output size, and upsampling. */

import { type Pair, pair, type Triple, triple } from "../geometry/conv.ts";
import { expectWhole } from "../graph/op.ts";
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
  AVG_POOL1D,
  type AvgPool1dOptions,
  adaptiveAvgPool1d as adaptiveAvg1dOf,
  adaptiveMaxPool1d as adaptiveMax1dOf,
  avgPool1d as avgPool1dOf,
  globalAvgPool1d as globalAvg1dOf,
  globalMaxPool1d as globalMax1dOf,
  MAX_POOL1D,
  type MaxPool1dOptions,
  maxPool1d as maxPool1dOf,
} from "../ops/pool/pool1d.ts";
import {
  AVG_POOL3D,
  type AvgPool3dOptions,
  avgPool3d as avgPool3dOf,
  globalAvgPool3d as globalAvg3dOf,
  MAX_POOL3D,
  type MaxPool3dOptions,
  maxPool3d as maxPool3dOf,
} from "../ops/pool/pool3d.ts";
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
export const maxPool1d = (kernelSize: number, options: MaxPool1dOptions = {}) => {
  expectWhole("nn.maxPool1d", "kernelSize", kernelSize, 1);
  checkOptions("nn.maxPool1d", options, MAX_POOL1D);
  return (x: Tensor) => maxPool1dOf(x, kernelSize, options);
};
export const avgPool1d = (kernelSize: number, options: AvgPool1dOptions = {}) => {
  expectWhole("nn.avgPool1d", "kernelSize", kernelSize, 1);
  checkOptions("nn.avgPool1d", options, AVG_POOL1D);
  return (x: Tensor) => avgPool1dOf(x, kernelSize, options);
};
export const maxPool3d = (kernelSize: Triple, options: MaxPool3dOptions = {}) => {
  triple("nn.maxPool3d", "kernelSize", kernelSize, 1);
  checkOptions("nn.maxPool3d", options, MAX_POOL3D);
  return (x: Tensor) => maxPool3dOf(x, kernelSize, options);
};
export const avgPool3d = (kernelSize: Triple, options: AvgPool3dOptions = {}) => {
  triple("nn.avgPool3d", "kernelSize", kernelSize, 1);
  checkOptions("nn.avgPool3d", options, AVG_POOL3D);
  return (x: Tensor) => avgPool3dOf(x, kernelSize, options);
};
export const globalAvgPool1d = withoutOptions("nn.globalAvgPool1d", globalAvg1dOf);
export const globalMaxPool1d = withoutOptions("nn.globalMaxPool1d", globalMax1dOf);
export const globalAvgPool3d = withoutOptions("nn.globalAvgPool3d", globalAvg3dOf);
export const globalAvgPool2d = withoutOptions("nn.globalAvgPool2d", globalAvgOf);
export const globalMaxPool2d = withoutOptions("nn.globalMaxPool2d", globalMaxOf);
export const adaptiveAvgPool1d = (outputSize: number) => {
  expectWhole("nn.adaptiveAvgPool1d", "outputSize", outputSize, 1);
  return (x: Tensor) => adaptiveAvg1dOf(x, outputSize);
};
export const adaptiveMaxPool1d = (outputSize: number) => {
  expectWhole("nn.adaptiveMaxPool1d", "outputSize", outputSize, 1);
  return (x: Tensor) => adaptiveMax1dOf(x, outputSize);
};
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
