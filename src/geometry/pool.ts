/** The windows of a pooling op, by PyTorch's rules for size, padding and the last window of ceilMode. */
import { expectSpec, shapeError } from "../graph/op.ts";
import { formatShape, type Shape, type Spec } from "../graph/spec.ts";
import { type Sides, sameSides, type WindowSteps } from "./conv.ts";

export interface PoolAttrs {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: Sides;
  readonly dilation: readonly [number, number];
  readonly ceilMode: boolean;
}

/** The same names in WGSL and CPU bodies. */
export type PoolConstants = WindowSteps &
  Readonly<Record<"N" | "C" | "H" | "W" | "OH" | "OW" | "KH" | "KW", number>>;

/** Constants of pooling `x`; throws ShapeError where PyTorch refuses. */
export function poolGeometry(op: string, x: Spec | undefined, attrs: PoolAttrs): PoolConstants {
  const spec = expectSpec(op, "x", x, 4);
  const [N, C, H, W] = spec.shape as [number, number, number, number];
  const [KH, KW] = attrs.kernel;
  const [strideY, strideX] = attrs.stride;
  const [padTop, padLeft, padBottom, padRight] = attrs.padding;
  const [dilationY, dilationX] = attrs.dilation;
  if (Math.max(padTop, padBottom) > KH / 2 || Math.max(padLeft, padRight) > KW / 2) {
    const given =
      padTop === padBottom && padLeft === padRight ? attrs.padding.slice(0, 2) : [...attrs.padding];
    throw shapeError(
      op,
      `padding must be at most half the kernel [${KH}, ${KW}] and is ${formatShape(given)}`,
      [spec],
    );
  }
  const OH = windows(H, KH, strideY, padTop, padBottom, dilationY, attrs.ceilMode);
  const OW = windows(W, KW, strideX, padLeft, padRight, dilationX, attrs.ceilMode);
  if (OH < 1 || OW < 1) {
    const span = `[${spanOf(KH, dilationY)}, ${spanOf(KW, dilationX)}]`;
    const padded = `[${H + padTop + padBottom}, ${W + padLeft + padRight}]`;
    throw shapeError(op, `windows of ${span} pixels are larger than the padded input ${padded}`, [spec]);
  }
  const pads = { padTop, padLeft, padBottom, padRight };
  return { N, C, H, W, OH, OW, KH, KW, strideY, strideX, ...pads, dilationY, dilationX };
}

/** Pixels from the first kernel element to the last. */
export function spanOf(kernelSize: number, dilation: number): number {
  return (kernelSize - 1) * dilation + 1;
}

export function inputShape({ N, C, H, W }: PoolConstants): Shape {
  return [N, C, H, W];
}

export function outputShape({ N, C, OH, OW }: PoolConstants): Shape {
  return [N, C, OH, OW];
}

/** True when no window reaches padding or beyond the end. */
export function windowsInside(g: PoolConstants): boolean {
  return (
    g.padTop === 0 &&
    g.padLeft === 0 &&
    (g.OH - 1) * g.strideY + spanOf(g.KH, g.dilationY) <= g.H &&
    (g.OW - 1) * g.strideX + spanOf(g.KW, g.dilationX) <= g.W
  );
}

function windows(
  size: number,
  kernelSize: number,
  stride: number,
  before: number,
  after: number,
  dilation: number,
  ceil: boolean,
) {
  const steps = size + before + after - spanOf(kernelSize, dilation);
  const count = Math.floor((steps + (ceil ? stride - 1 : 0)) / stride) + 1;
  // In ceilMode the last window must start in the input or in the padding before it, not in the padding after it.
  return ceil && (count - 1) * stride >= size + before ? count - 1 : count;
}

/** Padding "same" of both axes: see `sameSides`. */
export function samePadding(
  [, , H = 1, W = 1]: Shape,
  kernel: readonly [number, number],
  stride: readonly [number, number],
  dilation: readonly [number, number],
): Sides {
  const [top, bottom] = sameSides(H, kernel[0], stride[0], dilation[0]);
  const [left, right] = sameSides(W, kernel[1], stride[1], dilation[1]);
  return [top, left, bottom, right];
}
