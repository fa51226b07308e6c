/**
 * Pooling in three dimensions: a pool of each depth slice, then one along depth, two dispatches. Maxima are exact, also which of
 * equal elements gets the gradient: the first in (depth, row, column) order. Means of means are exact because every window is
 * as large in each slice and at each pixel.
 */

import { type Padding3d, type Pair, sides3d, type Triple, triple } from "../../geometry/conv.ts";
import { expectSpec } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { mean } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";
import { avgPoolOf, type MaxPool2dOptions, maxPoolOf } from "./pool.ts";

export interface MaxPool3dOptions {
  /** Step from window to window: one number or [z, y, x]; default the kernel size. */
  readonly stride?: Triple;
  /**
   * Elements beside the input, -Infinity in max pooling, at most half the kernel on each side: one number, [z, y, x],
   * [front, top, left, back, bottom, right] or "same", as Keras has it: ceil(D / stride) windows. Default 0.
   */
  readonly padding?: Padding3d | "same";
  /** Step from one element of a window to the next; default 1. */
  readonly dilation?: Triple;
  /** Round the number of windows up instead of down; the last ones then reach beyond the input. Default false. */
  readonly ceilMode?: boolean;
}

/** Padding counts as zeros. */
export interface AvgPool3dOptions extends Omit<MaxPool3dOptions, "dilation"> {
  /** Whether padding counts, as zeros. Default true, as in PyTorch; false with padding "same", as in Keras. */
  readonly countIncludePad?: boolean;
  /** What each sum is divided by instead of the size of its window; not 0. */
  readonly divisorOverride?: number;
}

const WINDOWS = { stride: "numbers", padding: "any", ceilMode: "boolean" } as const;

export const MAX_POOL3D = {
  ...WINDOWS,
  dilation: "numbers",
} as const satisfies OptionKinds<MaxPool3dOptions>;
export const AVG_POOL3D = {
  ...WINDOWS,
  countIncludePad: "boolean",
  divisorOverride: "number",
} as const satisfies OptionKinds<AvgPool3dOptions>;

type Pool = (x: Tensor, kernel: Pair, windows: MaxPool2dOptions, isLast: boolean) => Tensor;

/** `pool` in the planes of x, then along depth. */
function inBoth(op: string, x: Tensor, kernelSize: Triple, options: MaxPool3dOptions, pool: Pool): Tensor {
  const [N, C, D, H, W] = expectSpec(op, "x", x, 5).shape as [number, number, number, number, number];
  const { padding = 0, ceilMode = false } = options;
  const [KD, KH, KW] = triple(op, "kernelSize", kernelSize, 1);
  const [sz, sy, sx] = triple(op, "stride", options.stride ?? kernelSize, 1);
  const [dz, dy, dx] = triple(op, "dilation", options.dilation ?? 1, 1);
  const around = padding === "same" ? undefined : sides3d(op, padding);
  const [front, top, left, back, bottom, right] = around ?? [0, 0, 0, 0, 0, 0];
  const inPlane: MaxPool2dOptions = {
    stride: [sy, sx],
    padding: around ? [top, left, bottom, right] : "same",
    dilation: [dy, dx],
    ceilMode,
  };
  const planes = pool(reshape(x, [N, C * D, H, W]), [KH, KW], inPlane, false);
  const [OH, OW] = planes.shape.slice(2) as [number, number];
  const inDepth: MaxPool2dOptions = {
    stride: [sz, 1],
    padding: around ? [front, 0, back, 0] : "same",
    dilation: [dz, 1],
    ceilMode,
  };
  const y = pool(reshape(planes, [N, C, D, OH * OW]), [KD, 1], inDepth, true);
  return reshape(y, [N, C, y.shape[2]!, OH, OW]);
}

/**
 * The largest element of each window: x f32 [N, C, D, H, W] -> [N, C, OD, OH, OW] with
 * OD = floor((D + front + back - dilation (kernelSize - 1) - 1) / stride) + 1, OH and OW likewise. Throws ShapeError where
 * PyTorch refuses: see maxPool2d. torch.nn.functional.max_pool3d.
 */
export function maxPool3d(x: Tensor, kernelSize: Triple, options: MaxPool3dOptions = {}): Tensor {
  const op = "maxPool3d";
  const given = checkOptions(op, options, MAX_POOL3D);
  return inBoth(op, x, kernelSize, given, (t, kernel, windows) => maxPoolOf(op, t, kernel, windows).y);
}

/** The mean of each window: x f32 [N, C, D, H, W] -> [N, C, OD, OH, OW], with the sizes and refusals of `maxPool3d`. */
export function avgPool3d(x: Tensor, kernelSize: Triple, options: AvgPool3dOptions = {}): Tensor {
  const op = "avgPool3d";
  const { divisorOverride, countIncludePad, ...given } = checkOptions(op, options, AVG_POOL3D);
  return inBoth(op, x, kernelSize, given, (t, kernel, { dilation: _, ...windows }, isLast) =>
    avgPoolOf(op, t, kernel, {
      ...windows,
      ...(countIncludePad === undefined ? {} : { countIncludePad }),
      ...(divisorOverride === undefined ? {} : { divisorOverride: isLast ? divisorOverride : 1 }),
    }),
  );
}

/** Mean of each volume: x [N, C, D, H, W] -> [N, C, 1, 1, 1]. */
export function globalAvgPool3d(x: Tensor): Tensor {
  expectSpec("globalAvgPool3d", "x", x, 5);
  return mean(x, { axes: [2, 3, 4], keepDims: true });
}
