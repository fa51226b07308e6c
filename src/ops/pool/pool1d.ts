/** Pooling along one axis: the pools of images of one row, which are in pool.ts and resize.ts. */

import { type Padding1d, sides1d } from "../../geometry/conv.ts";
import { expectSpec, expectWhole } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { reshape } from "../shape/reshape.ts";
import { avgPoolOf, maxPoolOf } from "./pool.ts";
import { adaptiveAvgPool2d, adaptiveMaxPool2d, globalAvgPool2d, globalMaxPool2d } from "./resize.ts";

export interface MaxPool1dOptions {
  /** Step from window to window; default the kernel size. */
  readonly stride?: number;
  /**
   * Elements beside the input, -Infinity in max pooling, at most half the kernel on each side: one number, [left, right] or
   * "same", as Keras has it: ceil(L / stride) windows. Default 0.
   */
  readonly padding?: Padding1d;
  /** Step from one element of a window to the next; default 1. */
  readonly dilation?: number;
  /** Round the number of windows up instead of down; the last ones then reach beyond the input. Default false. */
  readonly ceilMode?: boolean;
}

/** Padding counts as zeros. */
export interface AvgPool1dOptions extends Omit<MaxPool1dOptions, "dilation"> {
  /** Whether padding counts, as zeros. Default true, as in PyTorch; false with padding "same", as in Keras. */
  readonly countIncludePad?: boolean;
}

const WINDOWS = { stride: "number", padding: "any", ceilMode: "boolean" } as const;

export const MAX_POOL1D = { ...WINDOWS, dilation: "number" } as const satisfies OptionKinds<MaxPool1dOptions>;
export const AVG_POOL1D = {
  ...WINDOWS,
  countIncludePad: "boolean",
} as const satisfies OptionKinds<AvgPool1dOptions>;

/** x [N, C, L] as images of one row. */
function asRows(op: string, x: Tensor): Tensor {
  const [N, C, L] = expectSpec(op, "x", x, 3).shape as [number, number, number];
  return reshape(x, [N, C, 1, L]);
}

function asLines(y: Tensor): Tensor {
  return reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]);
}

/** Kernel and options of the pool in two dimensions. */
function inRows(op: string, kernelSize: number, options: MaxPool1dOptions & AvgPool1dOptions) {
  const size = expectWhole(op, "kernelSize", kernelSize, 1);
  const { stride = size, padding = 0, dilation = 1, ...rest } = options;
  const step = [1, expectWhole(op, "stride", stride, 1)] as const;
  const apart = [1, expectWhole(op, "dilation", dilation, 1)] as const;
  const windows = { ...rest, stride: step, padding: sides1d(op, padding), dilation: apart };
  return [[1, size], windows] as const;
}

/**
 * The largest element of each window: x f32 [N, C, L] -> [N, C, OL] with
 * OL = floor((L + left + right - dilation (kernelSize - 1) - 1) / stride) + 1. Of equal elements the first gets the gradient.
 * Throws ShapeError where PyTorch refuses: see maxPool2d. torch.nn.functional.max_pool1d.
 */
export function maxPool1d(x: Tensor, kernelSize: number, options: MaxPool1dOptions = {}): Tensor {
  const op = "maxPool1d";
  const given = checkOptions(op, options, MAX_POOL1D);
  return asLines(maxPoolOf(op, asRows(op, x), ...inRows(op, kernelSize, given)).y);
}

/** The mean of each window: x f32 [N, C, L] -> [N, C, OL], with the sizes and refusals of `maxPool1d`. */
export function avgPool1d(x: Tensor, kernelSize: number, options: AvgPool1dOptions = {}): Tensor {
  const op = "avgPool1d";
  const given = checkOptions(op, options, AVG_POOL1D);
  return asLines(avgPoolOf(op, asRows(op, x), ...inRows(op, kernelSize, given)));
}

/** Mean of each channel: x [N, C, L] -> [N, C, 1]. */
export function globalAvgPool1d(x: Tensor): Tensor {
  return asLines(globalAvgPool2d(asRows("globalAvgPool1d", x)));
}

/** Maximum of each channel: x [N, C, L] -> [N, C, 1]; the gradient goes to the first of equal elements. */
export function globalMaxPool1d(x: Tensor): Tensor {
  return asLines(globalMaxPool2d(asRows("globalMaxPool1d", x)));
}

/** Means over `outputSize` windows that cover x [N, C, L] as evenly as possible: torch.nn.functional.adaptive_avg_pool1d. */
export function adaptiveAvgPool1d(x: Tensor, outputSize: number): Tensor {
  const size = expectWhole("adaptiveAvgPool1d", "outputSize", outputSize, 1);
  return asLines(adaptiveAvgPool2d(asRows("adaptiveAvgPool1d", x), [1, size]));
}

/** As `adaptiveAvgPool1d`, maxima. */
export function adaptiveMaxPool1d(x: Tensor, outputSize: number): Tensor {
  const size = expectWhole("adaptiveMaxPool1d", "outputSize", outputSize, 1);
  return asLines(adaptiveMaxPool2d(asRows("adaptiveMaxPool1d", x), [1, size]));
}
