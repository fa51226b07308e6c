/**
 * Max and average pooling in two dimensions over overlapping, padded windows, by PyTorch's rules. In max pooling
 * padding counts as -Infinity. Among equal pixels the first in row-major order wins; NaN beats every number, the last of several
 * NaN the others. A dilated window without a pixel of the input gives -Infinity and the index -1.
 */

import { FORMS, type Padding, type Pair, pair, sides } from "../../geometry/conv.ts";
import {
  inputShape,
  outputShape,
  type PoolAttrs,
  type PoolConstants,
  poolGeometry,
  samePadding,
} from "../../geometry/pool.ts";
import { type DefinedOp, defineOp, expectSpec, shapeError } from "../../graph/op.ts";
import { type Spec, sameShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import {
  AVG_BACKWARD_VARIANTS,
  avgBackwardKernels,
  avgForwardKernels,
  MAX_BACKWARD_VARIANTS,
  maxBackwardKernels,
  maxForwardKernels,
  maxPickKernels,
  POOL_VARIANTS,
} from "../../kernels/pool/pool.ts";
import { ShapeError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";

export type { Pair };

/** (x [N, C, H, W]) -> (y f32, indices i32), both [N, C, OH, OW]; indices are row * W + col within the plane of x. */
export const maxPool2dOp: DefinedOp<PoolAttrs> = defineOp({
  name: "maxPool2d",
  args: ["x"],
  results: ["y", "indices"],
  variants: POOL_VARIANTS,
  plan([x], attrs: PoolAttrs) {
    const constants = poolGeometry("maxPool2d", x, attrs);
    const shape = outputShape(constants);
    return {
      outputs: [
        { shape, dtype: "f32" },
        { shape, dtype: "i32" },
      ],
      constants,
    };
  },
  cpu({ x, y, indices }, g) {
    for (let i = 0; i < y.length; i++) {
      const top = (Math.floor(i / g.OW) % g.OH) * g.strideY - g.padTop;
      const left = (i % g.OW) * g.strideX - g.padLeft;
      const plane = Math.floor(i / (g.OH * g.OW)) * g.H * g.W;
      let best = Number.NEGATIVE_INFINITY;
      let winner = -1;
      for (let kh = 0; kh < g.KH; kh++) {
        for (let kw = 0; kw < g.KW; kw++) {
          const row = top + kh * g.dilationY;
          const col = left + kw * g.dilationX;
          if (row < 0 || row >= g.H || col < 0 || col >= g.W) continue;
          const v = x[plane + row * g.W + col]!;
          if (winner < 0 || v > best || Number.isNaN(v)) {
            best = v;
            winner = row * g.W + col;
          }
        }
      }
      y[i] = best;
      indices[i] = winner;
    }
  },
  kernels: maxForwardKernels,
  backward: ({ inputs: [x], outputs: [, indices], grads: [dy], attrs }) => [
    dy === undefined ? undefined : maxPool2dBackwardOp.one([dy, indices!], { ...attrs, input: x! }),
  ],
});

/** Attributes of pooling, and the spec of its input. */
export interface PoolBackwardAttrs extends PoolAttrs {
  readonly input: Spec;
}

/** (dy, indices) -> dx [N, C, H, W]: each dy is added to the pixel that won its window. */
export const maxPool2dBackwardOp: DefinedOp<PoolBackwardAttrs> = defineOp({
  name: "maxPool2dBackward",
  args: ["dy", "indices"],
  results: ["dx"],
  variants: MAX_BACKWARD_VARIANTS,
  plan([dy, indices], attrs: PoolBackwardAttrs) {
    const constants = poolGeometry("maxPool2dBackward", attrs.input, attrs);
    expectWindows("maxPool2dBackward", "dy", dy, "f32", constants);
    expectWindows("maxPool2dBackward", "indices", indices, "i32", constants);
    return { outputs: [{ shape: inputShape(constants), dtype: "f32" }], constants };
  },
  cpu({ dy, indices, dx }, { H, W, OH, OW }) {
    const sums = new Float64Array(dx.length);
    for (let i = 0; i < dy.length; i++) {
      if (indices[i]! >= 0) sums[Math.floor(i / (OH * OW)) * H * W + indices[i]!]! += dy[i]!;
    }
    dx.set(sums);
  },
  kernels: maxBackwardKernels,
  backward: ({ inputs: [, indices], grads: [d], needs, attrs }) => [
    needs[0] ? maxPool2dPickOp.one([d!, indices!], attrs) : undefined,
    undefined,
  ],
});

/** (x [N, C, H, W], indices) -> y: the element of x at the winner of each window. */
export const maxPool2dPickOp: DefinedOp<PoolBackwardAttrs> = defineOp({
  name: "maxPool2dPick",
  args: ["x", "indices"],
  results: ["y"],
  plan([x, indices], attrs: PoolBackwardAttrs) {
    const constants = poolGeometry("maxPool2dPick", x, attrs);
    expectWindows("maxPool2dPick", "indices", indices, "i32", constants);
    return { outputs: [{ shape: outputShape(constants), dtype: "f32" }], constants };
  },
  cpu({ x, indices, y }, { H, W, OH, OW }) {
    for (let i = 0; i < y.length; i++) {
      const winner = indices[i]!;
      y[i] = winner < 0 ? 0 : x[Math.floor(i / (OH * OW)) * H * W + winner]!;
    }
  },
  kernels: maxPickKernels,
  backward: ({ inputs: [, indices], grads: [dy], attrs }) => [
    maxPool2dBackwardOp.one([dy!, indices!], attrs),
    undefined,
  ],
});

function expectWindows(op: string, name: string, t: Spec | undefined, dtype: string, g: PoolConstants): void {
  const spec = expectSpec(op, name, t, 4, dtype);
  if (!sameShape(spec.shape, outputShape(g))) {
    throw shapeError(op, `${name} must be [${outputShape(g).join(", ")}]`, [spec]);
  }
}

interface AvgAttrs extends PoolAttrs {
  readonly includePad: boolean;
  /** Replaces the size of the window; 0 for none. */
  readonly divisor: number;
}

interface AvgBackwardAttrs extends AvgAttrs {
  readonly input: Spec;
}

/** (x [N, C, H, W]) -> y [N, C, OH, OW], the mean of each window. */
export const avgPool2dOp: DefinedOp<AvgAttrs> = defineOp({
  name: "avgPool2d",
  args: ["x"],
  results: ["y"],
  variants: POOL_VARIANTS,
  plan([x], attrs: AvgAttrs) {
    const constants = avgGeometry("avgPool2d", x, attrs);
    return { outputs: [{ shape: outputShape(constants), dtype: "f32" }], constants };
  },
  cpu({ x, y }, g) {
    eachAvgWindow(g, (i, pixels, size) => {
      y[i] = pixels.reduce((sum, at) => sum + x[at]!, 0) / size;
    });
  },
  kernels: avgForwardKernels,
  backward: ({ inputs: [x], grads: [dy], attrs }) => [
    avgPool2dBackwardOp.one([dy!], { ...attrs, input: x! }),
  ],
});

/** (dy) -> dx [N, C, H, W]: each dy is divided evenly among the pixels of its window. */
export const avgPool2dBackwardOp: DefinedOp<AvgBackwardAttrs> = defineOp({
  name: "avgPool2dBackward",
  args: ["dy"],
  results: ["dx"],
  variants: AVG_BACKWARD_VARIANTS,
  plan([dy], attrs: AvgBackwardAttrs) {
    const constants = avgGeometry("avgPool2dBackward", attrs.input, attrs);
    expectWindows("avgPool2dBackward", "dy", dy, "f32", constants);
    return { outputs: [{ shape: inputShape(constants), dtype: "f32" }], constants };
  },
  cpu({ dy, dx }, g) {
    const sums = new Float64Array(dx.length);
    eachAvgWindow(g, (i, pixels, size) => {
      for (const at of pixels) sums[at]! += dy[i]! / size;
    });
    dx.set(sums);
  },
  kernels: avgBackwardKernels,
  backward: ({ grads: [d], attrs }) => [avgPool2dOp.one([d!], attrs)],
});

type AvgConstants = PoolConstants & { readonly includePad: number; readonly divisor: number };

function avgGeometry(op: string, x: Spec | undefined, attrs: AvgAttrs): AvgConstants {
  return { ...poolGeometry(op, x, attrs), includePad: attrs.includePad ? 1 : 0, divisor: attrs.divisor };
}

/** Calls `visit` with the index of each window, the indices of its pixels in x, and what their sum is divided by. */
function eachAvgWindow(g: AvgConstants, visit: (i: number, pixels: number[], size: number) => void): void {
  for (let i = 0; i < g.N * g.C * g.OH * g.OW; i++) {
    const top = (Math.floor(i / g.OW) % g.OH) * g.strideY - g.padTop;
    const left = (i % g.OW) * g.strideX - g.padLeft;
    const plane = Math.floor(i / (g.OH * g.OW)) * g.H * g.W;
    const pixels: number[] = [];
    let padded = 0;
    for (let row = top; row < Math.min(top + g.KH, g.H + g.padBottom); row++) {
      for (let col = left; col < Math.min(left + g.KW, g.W + g.padRight); col++) {
        padded++;
        if (row >= 0 && row < g.H && col >= 0 && col < g.W) pixels.push(plane + row * g.W + col);
      }
    }
    visit(i, pixels, g.divisor || (g.includePad ? padded : pixels.length));
  }
}

export interface MaxPool2dOptions {
  /** Step from window to window; default the kernel size. */
  readonly stride?: Pair;
  /**
   * Pixels beside the input, -Infinity in max pooling, at most half the kernel on each side: one number, [y, x] or [top, left, bottom, right]; or "same",
   * as Keras has it: ceil(H / stride) windows. Default 0.
   */
  readonly padding?: Padding | "same";
  /** Step from one element of a window to the next; default 1. */
  readonly dilation?: Pair;
  /** Round the number of windows up instead of down; the last ones then reach beyond the input. Default false. */
  readonly ceilMode?: boolean;
}

const WINDOWS = { stride: "numbers", padding: "any", ceilMode: "boolean" } as const;

export const MAX_POOL = { ...WINDOWS, dilation: "numbers" } as const satisfies OptionKinds<MaxPool2dOptions>;

function poolAttrs(op: string, x: Tensor, kernelSize: Pair, options: MaxPool2dOptions): PoolAttrs {
  const kernel = pair(op, "kernelSize", kernelSize, 1);
  const stride = pair(op, "stride", options.stride ?? kernelSize, 1);
  const dilation = pair(op, "dilation", options.dilation ?? 1, 1);
  const { padding = 0, ceilMode = false } = options;
  const same = padding === "same";
  if (same && ceilMode) throw new ShapeError(`${op}: padding "same" determines the size; leave ceilMode out`);
  const { shape } = expectSpec(op, "x", x, 4);
  const around = same ? samePadding(shape, kernel, stride, dilation) : sides(op, padding, FORMS);
  const attrs = { kernel, stride, padding: around, dilation, ceilMode };
  poolGeometry(op, x, attrs);
  return attrs;
}

/**
 * The largest element of each window: x f32 [N, C, H, W] -> f32 [N, C, OH, OW] with
 * OH = floor((H + top + bottom - dilation (kernelSize - 1) - 1) / stride) + 1. Throws ShapeError where PyTorch refuses:
 * windows larger than the padded input, padding over half the kernel.
 */
export function maxPool2d(x: Tensor, kernelSize: Pair, options: MaxPool2dOptions = {}): Tensor {
  return maxPool2dWithIndices(x, kernelSize, options).y;
}

/** `maxPool2d` and where each maximum was: indices i32 [N, C, OH, OW], row * W + col within the plane of x. */
export function maxPool2dWithIndices(
  x: Tensor,
  kernelSize: Pair,
  options: MaxPool2dOptions = {},
): { y: Tensor; indices: Tensor } {
  return maxPoolOf("maxPool2d", x, kernelSize, checkOptions("maxPool2d", options, MAX_POOL));
}

/** `maxPool2dWithIndices` for callers of another name; the options are checked. */
export function maxPoolOf(op: string, x: Tensor, kernelSize: Pair, options: MaxPool2dOptions) {
  const [y, indices] = maxPool2dOp.apply([x], poolAttrs(op, x, kernelSize, options), op);
  return { y: y as Tensor, indices: indices as Tensor };
}

/** Padding counts as zeros. */
export interface AvgPool2dOptions extends Omit<MaxPool2dOptions, "dilation"> {
  /**
   * Whether padding counts, as zeros; else the mean is over pixels of the input only. Default true, as in PyTorch; false with
   * padding "same", as in Keras.
   */
  readonly countIncludePad?: boolean;
  /** What each sum is divided by instead of the size of its window; not 0. */
  readonly divisorOverride?: number;
}

export const AVG_POOL = {
  ...WINDOWS,
  countIncludePad: "boolean",
  divisorOverride: "number",
} as const satisfies OptionKinds<AvgPool2dOptions>;

/**
 * The mean of each window: x f32 [N, C, H, W] -> f32 [N, C, OH, OW], with the sizes and refusals of `maxPool2d`. Positions
 * beyond the padding, which windows reach with ceilMode, never count.
 */
export function avgPool2d(x: Tensor, kernelSize: Pair, options: AvgPool2dOptions = {}): Tensor {
  return avgPoolOf("avgPool2d", x, kernelSize, checkOptions("avgPool2d", options, AVG_POOL));
}

/** `avgPool2d` for callers of another name; the options are checked. */
export function avgPoolOf(op: string, x: Tensor, kernelSize: Pair, options: AvgPool2dOptions): Tensor {
  const { divisorOverride, countIncludePad = options.padding !== "same", ...windows } = options;
  if (divisorOverride === 0 || !Number.isFinite(divisorOverride ?? 1)) {
    throw new ShapeError(
      `${op}: divisorOverride must be a finite number other than 0, got ${divisorOverride}`,
    );
  }
  const attrs = {
    ...poolAttrs(op, x, kernelSize, windows),
    includePad: countIncludePad,
    divisor: divisorOverride ?? 0,
  };
  return avgPool2dOp.one([x], attrs, op);
}
