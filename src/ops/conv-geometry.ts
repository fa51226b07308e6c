/**
 * The arithmetic of a 2-d convolution's shapes: options as users give them, made into attributes, and the constants
 * that CPU bodies and kernels share. Refuses kernels that do not fit and channels that do not divide.
 */
import { ShapeError } from "../errors.ts";
import { expectWhole } from "../op.ts";
import { formatShape, type Shape } from "../tensor.ts";

export interface Conv2dOptions {
  /** Step of the window: one number or [y, x]. Default 1. */
  readonly stride?: number | readonly [y: number, x: number];
  /** Zeros around the input: one number, [y, x] or [top, left, bottom, right]. Default 0. */
  readonly padding?:
    | number
    | readonly [y: number, x: number]
    | readonly [top: number, left: number, bottom: number, right: number];
  /** Distance between the taps of the kernel: one number or [y, x]. Default 1. */
  readonly dilation?: number | readonly [y: number, x: number];
  /** Channels are split into this many groups that do not see each other. Default 1. */
  readonly groups?: number;
}

/** Options in full. */
export type ConvAttrs = {
  readonly strideY: number;
  readonly strideX: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly padBottom: number;
  readonly padRight: number;
  readonly dilationY: number;
  readonly dilationX: number;
  readonly GROUPS: number;
};

/** x [N, C, H, W], w [O, CG, KH, KW], y [N, O, OH, OW]; a group has CG input and OG output channels. */
export type ConvConstants = ConvAttrs & {
  readonly N: number;
  readonly C: number;
  readonly H: number;
  readonly W: number;
  readonly O: number;
  readonly CG: number;
  readonly OG: number;
  readonly KH: number;
  readonly KW: number;
  readonly OH: number;
  readonly OW: number;
  /** Whether conv2d adds a bias. */
  readonly BIAS: boolean;
};

/** Checks `options` and fills in the defaults. */
export function convAttrs(op: string, options: Conv2dOptions): ConvAttrs {
  const { padding = 0 } = options;
  const pads = typeof padding === "number" ? [padding, padding] : padding;
  const [padTop, padLeft, padBottom, padRight] = pads.length === 2 ? [...pads, ...pads] : pads;
  const [strideY, strideX] = pair(options.stride ?? 1);
  const [dilationY, dilationX] = pair(options.dilation ?? 1);
  return {
    strideY: expectWhole(op, "stride", strideY, 1),
    strideX: expectWhole(op, "stride", strideX, 1),
    padTop: expectWhole(op, "padding", padTop ?? Number.NaN, 0),
    padLeft: expectWhole(op, "padding", padLeft ?? Number.NaN, 0),
    padBottom: expectWhole(op, "padding", padBottom ?? Number.NaN, 0),
    padRight: expectWhole(op, "padding", padRight ?? Number.NaN, 0),
    dilationY: expectWhole(op, "dilation", dilationY, 1),
    dilationX: expectWhole(op, "dilation", dilationX, 1),
    GROUPS: expectWhole(op, "groups", options.groups ?? 1, 1),
  };
}

function pair(value: number | readonly [number, number]): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
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

function outSize(padded: number, kernel: number, stride: number, dilation: number): number {
  return Math.floor((padded - (kernel - 1) * dilation - 1) / stride) + 1;
}
