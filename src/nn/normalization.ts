/**
 * Layers that normalise, with PyTorch's defaults. Running statistics carry PyTorch's own names (`running_mean`), since
 * the fields of a layer are the names in a file: state dicts load as they are.
 */
import { ShapeError } from "../common/errors.ts";
import { checkOptions, given, type OptionKinds } from "../common/options.ts";
import { expectWhole } from "../graph/op.ts";
import { formatSpec, type Shape } from "../graph/spec.ts";
import { parameter, state, type Tensor } from "../graph/tensor.ts";
import {
  batchNorm as batchNormOf,
  batchNormWith,
  groupNorm as groupNormOf,
  layerNorm as layerNormOf,
  rmsNorm as rmsNormOf,
} from "../ops/norm/normalize.ts";
import { updateRunningStats } from "../ops/norm/running-stats.ts";
import { addUpdate, inEvaluation, isTraining } from "./mode.ts";
import type { Module } from "./module.ts";

export interface NormOptions {
  /** Added to the variance under the root. Default 1e-5 (rmsNorm: 2⁻²³). */
  readonly eps?: number;
  /** Weight and bias to learn. Default true. */
  readonly affine?: boolean;
}

export interface BatchNormOptions extends NormOptions {
  /** Share of the new batch in the running statistics, default 0.1; null for the average of all batches. */
  readonly momentum?: number | null;
  /** Default true. Without running statistics, evaluation takes the batch's own, too. */
  readonly trackRunningStats?: boolean;
}

const NORM = { eps: "number", affine: "boolean" } as const satisfies OptionKinds<NormOptions>;

/**
 * Each channel with mean 0 and variance 1 over the batch while training, by the running statistics in evaluation.
 * The last batch of an epoch, where it is partial, counts the samples that fill it up too.
 */
export class BatchNorm implements Module {
  readonly weight?: Tensor;
  readonly bias?: Tensor;
  readonly running_mean?: Tensor;
  readonly running_var?: Tensor;
  readonly num_batches_tracked?: Tensor;

  constructor(
    readonly kind: "BatchNorm1d" | "BatchNorm2d",
    readonly numFeatures: number,
    readonly options: BatchNormOptions = {},
  ) {
    checkOptions(`nn.${nameOf(kind)}`, options, {
      ...NORM,
      momentum: "any",
      trackRunningStats: "boolean",
    });
    const C = expectWhole(`nn.${nameOf(kind)}`, "numFeatures", numFeatures, 1);
    if (options.affine !== false) {
      this.weight = parameter([C], 1, "weight");
      this.bias = parameter([C], 0, "bias");
    }
    if (options.trackRunningStats !== false) {
      this.running_mean = state([C], 0, "f32", "running_mean");
      this.running_var = state([C], 1, "f32", "running_var");
      this.num_batches_tracked = state([], 0, "i32", "num_batches_tracked");
    }
  }

  forward(x: Tensor): Tensor {
    const ranks = this.kind === "BatchNorm1d" ? [2, 3] : [4];
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

/** The last axes with mean 0 and variance 1. `weight` and `bias` are of `normalizedShape`. */
export class LayerNorm implements Module {
  readonly kind = "LayerNorm";
  readonly weight?: Tensor;
  readonly bias?: Tensor;
  readonly normalizedShape: Shape;

  constructor(
    normalizedShape: number | Shape,
    readonly options: NormOptions & { readonly bias?: boolean } = {},
  ) {
    checkOptions("nn.layerNorm", options, { ...NORM, bias: "boolean" });
    this.normalizedShape = shapeOf("nn.layerNorm", normalizedShape);
    if (options.affine === false) return;
    this.weight = parameter(this.normalizedShape, 1, "weight");
    if (options.bias !== false) this.bias = parameter(this.normalizedShape, 0, "bias");
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, options } = this;
    return layerNormOf(x, this.normalizedShape, { weight, bias, eps: options.eps ?? 1e-5 });
  }
}

/** Groups of channels of each sample with mean 0 and variance 1. `weight` and `bias` are [numChannels]. */
export class GroupNorm implements Module {
  readonly kind = "GroupNorm";
  readonly weight?: Tensor;
  readonly bias?: Tensor;

  constructor(
    readonly numGroups: number,
    numChannels: number,
    readonly options: NormOptions = {},
  ) {
    checkOptions("nn.groupNorm", options, NORM);
    expectWhole("nn.groupNorm", "numGroups", numGroups, 1);
    expectWhole("nn.groupNorm", "numChannels / numGroups", numChannels / numGroups, 1);
    if (options.affine === false) return;
    this.weight = parameter([numChannels], 1, "weight");
    this.bias = parameter([numChannels], 0, "bias");
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, options } = this;
    return groupNormOf(x, this.numGroups, { weight, bias, eps: options.eps ?? 1e-5 });
  }
}

/** The last axes divided by the root of their mean square. `weight` is of `normalizedShape`. */
export class RmsNorm implements Module {
  readonly kind = "RMSNorm";
  readonly weight?: Tensor;
  readonly normalizedShape: Shape;

  constructor(
    normalizedShape: number | Shape,
    readonly options: NormOptions = {},
  ) {
    checkOptions("nn.rmsNorm", options, NORM);
    this.normalizedShape = shapeOf("nn.rmsNorm", normalizedShape);
    if (options.affine !== false) this.weight = parameter(this.normalizedShape, 1, "weight");
  }

  forward(x: Tensor): Tensor {
    return rmsNormOf(x, this.normalizedShape, { weight: this.weight, eps: this.options.eps ?? 2 ** -23 });
  }
}

/** Of [N, C] or [N, C, L]. */
export const batchNorm1d = (numFeatures: number, options?: BatchNormOptions) =>
  new BatchNorm("BatchNorm1d", numFeatures, options);
/** Of [N, C, H, W]. */
export const batchNorm2d = (numFeatures: number, options?: BatchNormOptions) =>
  new BatchNorm("BatchNorm2d", numFeatures, options);
export const layerNorm = (
  normalizedShape: number | Shape,
  options?: NormOptions & { readonly bias?: boolean },
) => new LayerNorm(normalizedShape, options);
export const groupNorm = (numGroups: number, numChannels: number, options?: NormOptions) =>
  new GroupNorm(numGroups, numChannels, options);
export const rmsNorm = (normalizedShape: number | Shape, options?: NormOptions) =>
  new RmsNorm(normalizedShape, options);
