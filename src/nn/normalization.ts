/**
 * Normalisation layers with PyTorch's defaults. Running statistics have PyTorch's names (`running_mean`), because the names
 * of a layer's fields are the names in a file, and PyTorch's state dicts shall load unchanged.
 */

import { expectWhole } from "../graph/op.ts";
import { formatSpec, type Shape } from "../graph/spec.ts";
import { parameter, state, type Tensor } from "../graph/tensor.ts";
import {
  LOCAL_RESPONSE,
  type LocalResponseNormOptions,
  localResponseNorm as localResponseNormOf,
} from "../ops/norm/local-response-norm.ts";
import {
  batchNorm as batchNormOf,
  batchNormWith,
  groupNorm as groupNormOf,
  instanceNorm as instanceNormOf,
  layerNorm as layerNormOf,
  rmsNorm as rmsNormOf,
} from "../ops/norm/normalize.ts";
import { updateRunningStats } from "../ops/norm/running-stats.ts";
import { ShapeError } from "../validation/errors.ts";
import { checkOptions, given, type OptionKinds } from "../validation/options.ts";
import { addUpdate, inEvaluation, isTraining } from "./build-mode.ts";
import type { Module } from "./module.ts";

export interface NormOptions {
  /** Added to the variance before the square root. Default 1e-5 (rmsNorm: 2⁻²³). */
  readonly eps?: number;
  /** Whether weight and bias are learned. Default true. */
  readonly affine?: boolean;
}

export interface BatchNormOptions extends NormOptions {
  /** Weight of the new batch in the running statistics, default 0.1; null for the average of all batches. */
  readonly momentum?: number | null;
  /** Default true. Without running statistics, evaluation uses those of the batch, too. */
  readonly trackRunningStats?: boolean;
}

const NORM = { eps: "number", affine: "boolean" } as const satisfies OptionKinds<NormOptions>;

/** A layer with a weight, initially 1, and a bias, initially 0, unless its options say otherwise. */
abstract class AffineLayer {
  readonly weight?: Tensor;
  readonly bias?: Tensor;

  constructor(shape: Shape, { affine = true }: NormOptions, bias = true) {
    if (!affine) return;
    this.weight = parameter(shape, 1, "weight");
    if (bias) this.bias = parameter(shape, 0, "bias");
  }
}

/**
 * Normalises each channel: in training by the statistics of the batch, in evaluation by the running statistics. If the
 * last batch of an epoch is partial, its padding samples are part of the statistics.
 */
export class BatchNorm extends AffineLayer implements Module {
  readonly running_mean?: Tensor;
  readonly running_var?: Tensor;
  readonly num_batches_tracked?: Tensor;

  constructor(
    readonly kind: "BatchNorm1d" | "BatchNorm2d" | "BatchNorm3d",
    readonly numFeatures: number,
    readonly options: BatchNormOptions = {},
  ) {
    checkOptions(`nn.${nameOf(kind)}`, options, {
      ...NORM,
      momentum: "anyOrNull",
      trackRunningStats: "boolean",
    });
    const C = expectWhole(`nn.${nameOf(kind)}`, "numFeatures", numFeatures, 1);
    super([C], options);
    if (options.trackRunningStats === false) return;
    this.running_mean = state([C], 0, "f32", "running_mean");
    this.running_var = state([C], 1, "f32", "running_var");
    this.num_batches_tracked = state([], 0, "i32", "num_batches_tracked");
  }

  forward(x: Tensor): Tensor {
    const ranks = { BatchNorm1d: [2, 3], BatchNorm2d: [4], BatchNorm3d: [5] }[this.kind];
    if (!ranks.includes(x.rank) || x.shape[1] !== this.numFeatures) {
      throw new ShapeError(
        `nn.${nameOf(this.kind)}: needs rank ${ranks.join(" or ")} and ${this.numFeatures} channels, got ${formatSpec(x)}`,
      );
    }
    const { weight, bias, running_mean, running_var, num_batches_tracked } = this;
    const { eps = 1e-5, momentum = 0.1 } = this.options;
    const tracked = running_mean && running_var && num_batches_tracked;
    if (tracked && !isTraining()) {
      const y = batchNormWith(x, running_mean, running_var, { weight, bias, eps });
      return inEvaluation(`nn.${nameOf(this.kind)}`, y);
    }
    const { y, mean, variance } = batchNormOf(x, { weight, bias, eps });
    if (tracked) {
      const running = { mean: running_mean, variance: running_var, count: num_batches_tracked };
      const batch = { mean, variance, samples: x.size / this.numFeatures };
      addUpdate(updateRunningStats(running, batch, momentum));
    }
    return y;
  }
}

const nameOf = (kind: string) => kind.charAt(0).toLowerCase() + kind.slice(1);

function shapeOf(who: string, shape: number | Shape): Shape {
  const list = typeof shape === "number" ? [shape] : shape;
  if (Array.isArray(list)) return list;
  throw new ShapeError(`${who}: normalizedShape must be a number or an array, got ${given(who, shape)}`);
}

/** Normalises the last axes. `weight` and `bias` have `normalizedShape`. */
export class LayerNorm extends AffineLayer implements Module {
  readonly kind = "LayerNorm";
  readonly normalizedShape: Shape;

  constructor(
    normalizedShape: number | Shape,
    readonly options: NormOptions & { readonly bias?: boolean } = {},
  ) {
    checkOptions("nn.layerNorm", options, { ...NORM, bias: "boolean" });
    const shape = shapeOf("nn.layerNorm", normalizedShape);
    super(shape, options, options.bias);
    this.normalizedShape = shape;
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, options } = this;
    return layerNormOf(x, this.normalizedShape, { weight, bias, eps: options.eps ?? 1e-5 });
  }
}

/** Normalises groups of channels of each sample. `weight` and `bias` are [numChannels]. */
export class GroupNorm extends AffineLayer implements Module {
  readonly kind = "GroupNorm";

  constructor(
    readonly numGroups: number,
    numChannels: number,
    readonly options: NormOptions = {},
  ) {
    checkOptions("nn.groupNorm", options, NORM);
    expectWhole("nn.groupNorm", "numGroups", numGroups, 1);
    expectWhole("nn.groupNorm", "numChannels / numGroups", numChannels / numGroups, 1);
    super([numChannels], options);
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, options } = this;
    return groupNormOf(x, this.numGroups, { weight, bias, eps: options.eps ?? 1e-5 });
  }
}

/**
 * Normalises each channel of each sample. With `affine` (default false, as in PyTorch) `weight` and `bias` are [numFeatures].
 * There are no running statistics: evaluation normalises as training does.
 */
export class InstanceNorm extends AffineLayer implements Module {
  constructor(
    readonly kind: "InstanceNorm1d" | "InstanceNorm2d" | "InstanceNorm3d",
    readonly numFeatures: number,
    readonly options: NormOptions = {},
  ) {
    const who = `nn.${nameOf(kind)}`;
    checkOptions(who, options, NORM);
    super([expectWhole(who, "numFeatures", numFeatures, 1)], { affine: false, ...options });
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, options, kind } = this;
    const rank = 2 + Number(kind.at(-2));
    if (x.rank !== rank || x.shape[1] !== this.numFeatures) {
      throw new ShapeError(
        `nn.${nameOf(kind)}: needs rank ${rank} and ${this.numFeatures} channels, got ${formatSpec(x)}`,
      );
    }
    return instanceNormOf(x, { weight, bias, eps: options.eps ?? 1e-5 });
  }
}

/** Divides the last axes by their root mean square. `weight` has `normalizedShape`. */
export class RmsNorm extends AffineLayer implements Module {
  readonly kind = "RMSNorm";
  readonly normalizedShape: Shape;

  constructor(
    normalizedShape: number | Shape,
    readonly options: NormOptions = {},
  ) {
    checkOptions("nn.rmsNorm", options, NORM);
    const shape = shapeOf("nn.rmsNorm", normalizedShape);
    super(shape, options, false);
    this.normalizedShape = shape;
  }

  forward(x: Tensor): Tensor {
    return rmsNormOf(x, this.normalizedShape, { weight: this.weight, eps: this.options.eps ?? 2 ** -23 });
  }
}

/** Batch normalisation of [N, C] or [N, C, L]. */
export const batchNorm1d = (numFeatures: number, options?: BatchNormOptions) =>
  new BatchNorm("BatchNorm1d", numFeatures, options);
/** Batch normalisation of [N, C, H, W]. */
export const batchNorm2d = (numFeatures: number, options?: BatchNormOptions) =>
  new BatchNorm("BatchNorm2d", numFeatures, options);
/** Batch normalisation of [N, C, D, H, W]. */
export const batchNorm3d = (numFeatures: number, options?: BatchNormOptions) =>
  new BatchNorm("BatchNorm3d", numFeatures, options);
/** Instance normalisation of [N, C, L]. */
export const instanceNorm1d = (numFeatures: number, options?: NormOptions) =>
  new InstanceNorm("InstanceNorm1d", numFeatures, options);
/** Instance normalisation of [N, C, H, W]. */
export const instanceNorm2d = (numFeatures: number, options?: NormOptions) =>
  new InstanceNorm("InstanceNorm2d", numFeatures, options);
/** Instance normalisation of [N, C, D, H, W]. */
export const instanceNorm3d = (numFeatures: number, options?: NormOptions) =>
  new InstanceNorm("InstanceNorm3d", numFeatures, options);
/** Divides by the neighbouring channels; `size` of them, its own included. */
export const localResponseNorm = (size: number, options: LocalResponseNormOptions = {}) => {
  expectWhole("nn.localResponseNorm", "size", size, 1);
  checkOptions("nn.localResponseNorm", options, LOCAL_RESPONSE);
  return (x: Tensor) => localResponseNormOf(x, size, options);
};
export const layerNorm = (
  normalizedShape: number | Shape,
  options?: NormOptions & { readonly bias?: boolean },
) => new LayerNorm(normalizedShape, options);
export const groupNorm = (numGroups: number, numChannels: number, options?: NormOptions) =>
  new GroupNorm(numGroups, numChannels, options);
export const rmsNorm = (normalizedShape: number | Shape, options?: NormOptions) =>
  new RmsNorm(normalizedShape, options);
