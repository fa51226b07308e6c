/** Convolution layers with PyTorch's defaults. Kernels are applied as cross-correlations. */

import { type Pair, pair, type Triple, triple } from "../geometry/conv.ts";
import { expectWhole } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";
import { CONV3D, type Conv3dOptions, conv3d as conv3dOf } from "../ops/conv/conv3d.ts";
import {
  CONV,
  CONV_TRANSPOSE,
  CONV_TRANSPOSE1D,
  CONV1D,
  type Conv1dOptions,
  type ConvOptions,
  type ConvTranspose1dOptions,
  type ConvTranspose2dOptions,
  conv1d as conv1dOf,
  conv2d as conv2dOf,
  convTranspose1d as convTranspose1dOf,
  convTranspose2d as convTransposeOf,
} from "../ops/conv/convolutions.ts";
import { checkOptions } from "../validation/options.ts";
import { WEIGHT, WeightedLayer, type WeightOptions } from "./linear.ts";
import type { Module } from "./module.ts";

/** Shape [out, in/groups, …kernel] of a convolution's weight. `kernel` gives its checked extents. */
function weightShape(
  who: string,
  inChannels: number,
  outChannels: number,
  kernel: () => readonly number[],
  groups = 1,
): readonly number[] {
  expectWhole(who, "inChannels", inChannels, 1);
  expectWhole(who, "outChannels", outChannels, 1);
  const extents = kernel();
  return [outChannels, expectWhole(who, "inChannels / groups", inChannels / groups, 1), ...extents];
}

/** Shape [in, out/groups, …kernel] of a transposed convolution's weight. */
function transposedShape(
  who: string,
  inChannels: number,
  outChannels: number,
  kernel: () => readonly number[],
  groups = 1,
): readonly number[] {
  expectWhole(who, "inChannels", inChannels, 1);
  const extents = kernel();
  return [inChannels, expectWhole(who, "outChannels / groups", outChannels / groups, 1), ...extents];
}

/** The options of the op among those of a layer. */
function opOptions<Options>({ bias: _, weightInit: _w, biasInit: _b, ...rest }: Options & WeightOptions) {
  return rest;
}

/** `[N, in, L] -> [N, out, OL]`. `weight` is [out, in/groups, K], `bias` [out]. */
export class Conv1d extends WeightedLayer implements Module {
  readonly kind = "Conv1d";

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    readonly options: Conv1dOptions & WeightOptions = {},
  ) {
    checkOptions("nn.conv1d", options, { ...CONV1D, ...WEIGHT });
    const kernel = () => [expectWhole("nn.conv1d", "kernelSize", kernelSize, 1)];
    super(weightShape("nn.conv1d", inChannels, outChannels, kernel, options.groups), outChannels, options);
  }

  forward(x: Tensor): Tensor {
    return conv1dOf(x, this.weight, this.bias, opOptions(this.options));
  }
}

/** `[N, in, H, W] -> [N, out, OH, OW]`. `weight` is [out, in/groups, KH, KW], `bias` [out]. */
export class Conv2d extends WeightedLayer implements Module {
  readonly kind = "Conv2d";

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Pair,
    readonly options: ConvOptions & WeightOptions = {},
  ) {
    checkOptions("nn.conv2d", options, { ...CONV, ...WEIGHT });
    const kernel = () => pair("nn.conv2d", "kernelSize", kernelSize, 1);
    super(weightShape("nn.conv2d", inChannels, outChannels, kernel, options.groups), outChannels, options);
  }

  forward(x: Tensor): Tensor {
    return conv2dOf(x, this.weight, this.bias, opOptions(this.options));
  }
}

/** `[N, in, D, H, W] -> [N, out, OD, OH, OW]`. `weight` is [out, in/groups, KD, KH, KW], `bias` [out]. */
export class Conv3d extends WeightedLayer implements Module {
  readonly kind = "Conv3d";

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Triple,
    readonly options: Conv3dOptions & WeightOptions = {},
  ) {
    checkOptions("nn.conv3d", options, { ...CONV3D, ...WEIGHT });
    const kernel = () => triple("nn.conv3d", "kernelSize", kernelSize, 1);
    super(weightShape("nn.conv3d", inChannels, outChannels, kernel, options.groups), outChannels, options);
  }

  forward(x: Tensor): Tensor {
    return conv3dOf(x, this.weight, this.bias, opOptions(this.options));
  }
}

/** `[N, in, L] -> [N, out, OL]`. `weight` is [in, out/groups, K], `bias` [out]. */
export class ConvTranspose1d extends WeightedLayer implements Module {
  readonly kind = "ConvTranspose1d";

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    readonly options: ConvTranspose1dOptions & WeightOptions = {},
  ) {
    const who = "nn.convTranspose1d";
    checkOptions(who, options, { ...CONV_TRANSPOSE1D, ...WEIGHT });
    const kernel = () => [expectWhole(who, "kernelSize", kernelSize, 1)];
    super(transposedShape(who, inChannels, outChannels, kernel, options.groups), outChannels, options);
  }

  forward(x: Tensor): Tensor {
    return convTranspose1dOf(x, this.weight, this.bias, opOptions(this.options));
  }
}

/** `[N, in, H, W] -> [N, out, OH, OW]`. `weight` is [in, out/groups, KH, KW], `bias` [out]. */
export class ConvTranspose2d extends WeightedLayer implements Module {
  readonly kind = "ConvTranspose2d";

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Pair,
    readonly options: ConvTranspose2dOptions & WeightOptions = {},
  ) {
    const who = "nn.convTranspose2d";
    checkOptions(who, options, { ...CONV_TRANSPOSE, ...WEIGHT });
    const kernel = () => pair(who, "kernelSize", kernelSize, 1);
    super(transposedShape(who, inChannels, outChannels, kernel, options.groups), outChannels, options);
  }

  forward(x: Tensor): Tensor {
    return convTransposeOf(x, this.weight, this.bias, opOptions(this.options));
  }
}

export const conv1d = (...args: ConstructorParameters<typeof Conv1d>) => new Conv1d(...args);
export const conv2d = (...args: ConstructorParameters<typeof Conv2d>) => new Conv2d(...args);
export const conv3d = (...args: ConstructorParameters<typeof Conv3d>) => new Conv3d(...args);
export const convTranspose1d = (...args: ConstructorParameters<typeof ConvTranspose1d>) =>
  new ConvTranspose1d(...args);
export const convTranspose2d = (...args: ConstructorParameters<typeof ConvTranspose2d>) =>
  new ConvTranspose2d(...args);
