/** Where the windows of a pooling op lie: PyTorch's rules for size, padding and the last window of ceilMode. */
import { expectSpec, expectWhole, shapeError } from "../op.ts";
import type { Shape, Spec } from "../tensor.ts";

/** One number for both axes, or [rows, columns]. */
export type Pair = number | readonly [number, number];

export interface PoolAttrs {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly ceilMode: boolean;
}

/** The same names in WGSL and CPU bodies. */
export interface PoolConstants {
  readonly [name: string]: number;
  readonly N: number;
  readonly C: number;
  readonly H: number;
  readonly W: number;
  readonly OH: number;
  readonly OW: number;
  readonly KH: number;
  readonly KW: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly dilationY: number;
  readonly dilationX: number;
}

export function pair(value: Pair): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
}

/** Constants of pooling `x`; refuses what PyTorch refuses. */
export function poolGeometry(op: string, x: Spec | undefined, attrs: PoolAttrs): PoolConstants {
  const spec = expectSpec(op, "x", x, 4);
  const [N, C, H, W] = spec.shape as [number, number, number, number];
  const [KH, KW] = whole(op, "kernelSize", attrs.kernel, 1);
  const [strideY, strideX] = whole(op, "stride", attrs.stride, 1);
  const [padTop, padLeft] = whole(op, "padding", attrs.padding, 0);
  const [dilationY, dilationX] = whole(op, "dilation", attrs.dilation, 1);
  if (padTop > KH / 2 || padLeft > KW / 2) {
    throw shapeError(
      op,
      `padding must be at most half the kernel [${KH}, ${KW}] and is [${padTop}, ${padLeft}]`,
      [spec],
    );
  }
  const OH = windows(H, KH, strideY, padTop, dilationY, attrs.ceilMode);
  const OW = windows(W, KW, strideX, padLeft, dilationX, attrs.ceilMode);
  if (OH < 1 || OW < 1) {
    const span = `[${spanOf(KH, dilationY)}, ${spanOf(KW, dilationX)}]`;
    const padded = `[${H + 2 * padTop}, ${W + 2 * padLeft}]`;
    throw shapeError(op, `windows of ${span} pixels are larger than the padded input ${padded}`, [spec]);
  }
  return { N, C, H, W, OH, OW, KH, KW, strideY, strideX, padTop, padLeft, dilationY, dilationX };
}

/** Pixels from the first tap to the last. */
export function spanOf(taps: number, dilation: number): number {
  return (taps - 1) * dilation + 1;
}

export function inputShape({ N, C, H, W }: PoolConstants): Shape {
  return [N, C, H, W];
}

export function outputShape({ N, C, OH, OW }: PoolConstants): Shape {
  return [N, C, OH, OW];
}

/** True when no tap of any window falls on padding or beyond the end. */
export function tapsInside(g: PoolConstants): boolean {
  return (
    g.padTop === 0 &&
    g.padLeft === 0 &&
    (g.OH - 1) * g.strideY + spanOf(g.KH, g.dilationY) <= g.H &&
    (g.OW - 1) * g.strideX + spanOf(g.KW, g.dilationX) <= g.W
  );
}

function windows(size: number, taps: number, stride: number, pad: number, dilation: number, ceil: boolean) {
  const room = size + 2 * pad - spanOf(taps, dilation);
  const count = Math.floor((room + (ceil ? stride - 1 : 0)) / stride) + 1;
  // In ceilMode the last window must start in the input or in the padding before it, not in that after it.
  return ceil && (count - 1) * stride >= size + pad ? count - 1 : count;
}

function whole(op: string, name: string, values: readonly [number, number], least: number) {
  return [expectWhole(op, name, values[0], least), expectWhole(op, name, values[1], least)] as const;
}
