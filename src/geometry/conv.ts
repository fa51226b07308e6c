/**
 * The arithmetic of a 2-d convolution's shapes: options as users give them, made into attributes, and the constants
 * that CPU bodies and kernels share. Refuses kernels that do not fit and channels that do not divide.
 */

import { expectWhole } from "../graph/op.ts";
import { formatShape, type Shape } from "../graph/spec.ts";
import { ShapeError } from "../validation/errors.ts";
import { given, type OptionKinds, shown } from "../validation/options.ts";

/** One number for both axes, or [y, x]. */
export type Pair = number | readonly [y: number, x: number];
/** Rows and columns on each side. */
export type Sides = readonly [top: number, left: number, bottom: number, right: number];
/** One number for all sides, [y, x] or [top, left, bottom, right]. */
export type Padding = Pair | Sides;

/** One number for all three axes, or [z, y, x]. */
export type Triple = number | readonly [z: number, y: number, x: number];
/** Elements on each side in three dimensions. */
export type Sides3d = readonly [
  front: number,
  top: number,
  left: number,
  back: number,
  bottom: number,
  right: number,
];
/** One number for all sides, [z, y, x] or [front, top, left, back, bottom, right]. */
export type Padding3d = Triple | Sides3d;
/** One number for both sides, [left, right], or "same". */
export type Padding1d = number | readonly [left: number, right: number] | "same";

export interface Conv2dOptions {
  /** Step of the window: one number or [y, x]. Default 1. */
  readonly stride?: Pair;
  /** Zeros around the input: one number, [y, x] or [top, left, bottom, right]. Default 0. */
  readonly padding?: Padding;
  /** Distance between elements of the kernel: one number or [y, x]. Default 1. */
  readonly dilation?: Pair;
  /** Channels are split into this many groups that do not see each other. Default 1. */
  readonly groups?: number;
}

export const CONV2D = {
  stride: "numbers",
  padding: "any",
  dilation: "numbers",
  groups: "number",
} as const satisfies OptionKinds<Conv2dOptions>;

type Side = "Top" | "Left" | "Bottom" | "Right";
/** Steps of a window and padding, of convolutions and pools. */
export type WindowSteps = Readonly<Record<`${"stride" | "dilation"}${"Y" | "X"}` | `pad${Side}`, number>>;

/** Options with all defaults filled in. */
export type ConvAttrs = WindowSteps & { readonly GROUPS: number };

/** x [N, C, H, W], w [O, CG, KH, KW], y [N, O, OH, OW]; a group has CG input and OG output channels. */
export type ConvConstants = ConvAttrs &
  Readonly<Record<"N" | "C" | "H" | "W" | "O" | "CG" | "OG" | "KH" | "KW" | "OH" | "OW", number>> & {
    /** Whether conv2d adds a bias. */
    readonly BIAS: boolean;
  };

/** Checks `options` and fills in the defaults. */
export function convAttrs(op: string, options: Conv2dOptions): ConvAttrs {
  const [padTop, padLeft, padBottom, padRight] = sides(op, options.padding ?? 0);
  const [strideY, strideX] = pair(op, "stride", options.stride ?? 1, 1);
  const [dilationY, dilationX] = pair(op, "dilation", options.dilation ?? 1, 1);
  const GROUPS = expectWhole(op, "groups", options.groups ?? 1, 1);
  return { strideY, strideX, padTop, padLeft, padBottom, padRight, dilationY, dilationX, GROUPS };
}

/** `value` for rows and columns; throws ShapeError unless it is one or two whole numbers of at least `least`. */
export function pair(op: string, name: string, value: Pair, least: number): readonly [number, number] {
  return perAxis(op, name, value, least, "[y, x]") as [number, number];
}

/** `value` for depth, rows and columns; throws as `pair`. */
export function triple(op: string, name: string, value: Triple, least: number) {
  return perAxis(op, name, value, least, "[z, y, x]") as [number, number, number];
}

/** `axes`: how a list of one number per axis is written. */
function perAxis(op: string, name: string, value: number | readonly number[], least: number, axes: string) {
  const count = axes.split(",").length;
  const list = Array.isArray(value) ? value : new Array(typeof value === "number" ? count : 0).fill(value);
  if (list.length !== count) {
    throw new ShapeError(`${op}: ${name} must be one number or ${axes}, got ${given(op, value)}`);
  }
  return list.map((v) => expectWhole(op, name, v, least));
}

/** Forms of padding where there is "same" too. */
export const FORMS = '[y, x], [top, left, bottom, right] or "same"';

/** `padding` for each side; throws ShapeError unless it is one, two or four whole numbers. */
export function sides(op: string, padding: Padding, forms = "[y, x] or [top, left, bottom, right]"): Sides {
  return eachSide(op, padding, 2, forms) as unknown as Sides;
}

/** As `sides`, in three dimensions: front, top, left, back, bottom, right. */
export function sides3d(op: string, padding: Padding3d): Sides3d {
  return eachSide(op, padding, 3, `[z, y, x], six numbers or "same"`) as unknown as Sides3d;
}

/** As `sides`, of the only row of a tensor: "same", or [left, right] as sides in two dimensions. */
export function sides1d(op: string, padding: Padding1d): "same" | Sides {
  if (padding === "same") return padding;
  const list = typeof padding === "number" ? [padding, padding] : padding;
  if (!Array.isArray(list) || list.length !== 2) {
    throw new ShapeError(`${op}: padding must be one number, [left, right] or "same", got ${shown(padding)}`);
  }
  const [left, right] = list.map((side) => expectWhole(op, "padding", side, 0)) as [number, number];
  return [0, left, 0, right];
}

function eachSide(op: string, padding: number | readonly number[], axes: number, forms: string) {
  const list = typeof padding === "number" ? new Array<number>(axes).fill(padding) : padding;
  if (!Array.isArray(list) || (list.length !== axes && list.length !== 2 * axes)) {
    throw new ShapeError(`${op}: padding must be one number, ${forms}, got ${shown(padding)}`);
  }
  for (const side of list) expectWhole(op, "padding", side, 0);
  return list.length === axes ? [...list, ...list] : list;
}

/**
 * Zeros before and after an axis for padding "same", as TensorFlow and Keras have it: ceil(size / stride) windows; of an odd
 * number of zeros, one more comes after.
 */
export function sameSides(size: number, kernel: number, stride: number, dilation: number) {
  const last = (Math.ceil(size / stride) - 1) * stride;
  const total = Math.max(0, last + (kernel - 1) * dilation + 1 - size);
  return [Math.floor(total / 2), Math.ceil(total / 2)] as const;
}

/** The constants of a convolution of x with w; throws ShapeError when the shapes do not go together. */
export function convConstants(op: string, x: Shape, w: Shape, attrs: ConvAttrs): ConvConstants {
  const [N, C, H, W] = x as readonly [number, number, number, number];
  const [O, CG, KH, KW] = w as readonly [number, number, number, number];
  const { GROUPS } = attrs;
  if (C !== CG * GROUPS) {
    const groups = GROUPS === 1 ? "" : ` in ${GROUPS} groups`;
    throw new ShapeError(
      `${op}: input has ${C} channels, weight ${formatShape(w)}${groups} expects ${CG * GROUPS}`,
    );
  }
  if (O % GROUPS !== 0) {
    throw new ShapeError(`${op}: ${O} output channels do not divide into ${GROUPS} groups`);
  }
  const OH = outSize(H + attrs.padTop + attrs.padBottom, KH, attrs.strideY, attrs.dilationY);
  const OW = outSize(W + attrs.padLeft + attrs.padRight, KW, attrs.strideX, attrs.dilationX);
  if (OH < 1 || OW < 1) {
    throw new ShapeError(
      `${op}: kernel of weight ${formatShape(w)} does not fit into the padded input ${formatShape(x)}`,
    );
  }
  return { ...attrs, N, C, H, W, O, CG, OG: O / GROUPS, KH, KW, OH, OW, BIAS: false };
}

/** Number of windows along an axis of `padded` elements. */
export function outSize(padded: number, kernel: number, stride: number, dilation: number): number {
  return Math.floor((padded - (kernel - 1) * dilation - 1) / stride) + 1;
}
