/**
 * Convolutions made of conv2d and its gradients: padding "same", one dimension, transposed in one and two. Their gradients follow from
 * those of what they are made of. Refuses an output padding as large as stride and dilation.
 */

import {
  CONV2D,
  convAttrs,
  FORMS,
  type Padding,
  type Padding1d,
  type Pair,
  pair,
  sides,
  sides1d,
} from "../../geometry/conv.ts";
import { samePadding } from "../../geometry/pool.ts";
import { expectSpec, expectWhole, shapeError } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ShapeError } from "../../validation/errors.ts";
import { checkChoice, checkOptions, type OptionKinds } from "../../validation/options.ts";
import { add } from "../elementwise/arithmetic.ts";
import { pad } from "../shape/pad.ts";
import { reshape } from "../shape/reshape.ts";
import { type Conv2dOptions, conv2dBackwardInputOp, conv2d as plainConv2d } from "./conv2d.ts";

export interface ConvOptions extends Omit<Conv2dOptions, "padding"> {
  /**
   * As conv2d's, or "same": OH = ceil(H / stride); of an odd number of zeros one more is at the bottom or right. With a
   * stride this is what TensorFlow and Keras do; PyTorch refuses it.
   */
  readonly padding?: Conv2dOptions["padding"] | "same";
}

export const CONV = CONV2D satisfies OptionKinds<ConvOptions>;

/**
 * Convolves x [N, C, H, W] with w [O, C/groups, KH, KW] and adds b [O] if given; all f32. Gives [N, O, OH, OW] with
 * OH = floor((H + top + bottom - dilation (KH - 1) - 1) / stride) + 1, OW likewise.
 *
 * Throws ShapeError when ranks, channels, groups or the kernel's size do not go together.
 * Names, defaults and formula as in PyTorch's conv2d; padding may differ on each side.
 */
export function conv2d(x: Tensor, w: Tensor, b?: Tensor, options: ConvOptions = {}): Tensor {
  const { padding, ...rest } = checkOptions("conv2d", options, CONV);
  if (typeof padding === "string" && padding !== "same") checkChoice("conv2d", "padding", padding, ["same"]);
  if (padding !== "same") return plainConv2d(x, w, b, padding === undefined ? rest : { ...rest, padding });
  const { shape } = expectSpec("conv2d", "input", x, 4);
  const [, , KH, KW] = expectSpec("conv2d", "weight", w, 4).shape as [number, number, number, number];
  const stride = pair("conv2d", "stride", rest.stride ?? 1, 1);
  const dilation = pair("conv2d", "dilation", rest.dilation ?? 1, 1);
  return plainConv2d(x, w, b, { ...rest, padding: samePadding(shape, [KH, KW], stride, dilation) });
}

export interface Conv1dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros on both sides, [left, right], or "same" as in conv2d. Default 0. */
  readonly padding?: Padding1d;
  /** Default 1. */
  readonly dilation?: number;
  /** Default 1. */
  readonly groups?: number;
}

export const CONV1D = {
  stride: "number",
  padding: "any",
  dilation: "number",
  groups: "number",
} as const satisfies OptionKinds<Conv1dOptions>;

/**
 * Convolves x [N, C, L] with w [O, C/groups, K] and adds b [O] if given: [N, O, OL]. Throws ShapeError as conv2d does, of
 * which this is the case of one row. torch.nn.functional.conv1d.
 */
export function conv1d(x: Tensor, w: Tensor, b?: Tensor, options: Conv1dOptions = {}): Tensor {
  const [N, C, L] = expectSpec("conv1d", "input", x, 3).shape as readonly [number, number, number];
  const [O, CG, K] = expectSpec("conv1d", "weight", w, 3).shape as readonly [number, number, number];
  const { padding = 0, stride = 1, dilation = 1, groups = 1 } = checkOptions("conv1d", options, CONV1D);
  for (const [name, value] of Object.entries({ stride, dilation, groups }))
    expectWhole("conv1d", name, value, 1);
  if (b !== undefined && expectSpec("conv1d", "bias", b, 1).shape[0] !== O)
    throw shapeError("conv1d", `bias must hold ${O} values`, [b]);
  const y = conv2d(reshape(x, [N, C, 1, L]), reshape(w, [O, CG, 1, K]), b, {
    stride: [1, stride],
    padding: sides1d("conv1d", padding),
    dilation: [1, dilation],
    groups,
  });
  return reshape(y, [N, O, y.shape[3] as number]);
}

export interface ConvTranspose2dOptions {
  /** Default 1. */
  readonly stride?: Pair;
  /**
   * Rows and columns cut off: one number, [y, x] or [top, left, bottom, right]; or "same": y is stride times as large as
   * x, and where that is uneven the last side loses one more. Default 0.
   */
  readonly padding?: Padding | "same";
  /** Rows and columns added at the end, less than the larger of stride and dilation. Default 0. */
  readonly outputPadding?: Pair;
  /** Default 1. */
  readonly groups?: number;
  /** Default 1. */
  readonly dilation?: Pair;
}

export const CONV_TRANSPOSE = {
  ...CONV2D,
  outputPadding: "numbers",
} as const satisfies OptionKinds<ConvTranspose2dOptions>;

/**
 * The transpose of conv2d: x [N, C, H, W], w [C, O/groups, KH, KW], b [O] -> [N, O, OH, OW] with
 * OH = (H - 1) stride - top - bottom + dilation (KH - 1) + outputPadding + 1, OW likewise; all f32.
 *
 * Throws ShapeError when shapes do not go together and on an output padding that is less than neither
 * stride nor dilation.
 * Names, defaults and formula as in PyTorch's conv_transpose2d.
 */
export function convTranspose2d(
  x: Tensor,
  w: Tensor,
  b?: Tensor,
  options: ConvTranspose2dOptions = {},
): Tensor {
  const given = checkOptions("convTranspose2d", options, CONV_TRANSPOSE);
  return transposed("convTranspose2d", x, w, b, given);
}

export interface ConvTranspose1dOptions extends Omit<Conv1dOptions, "padding"> {
  /** Elements cut off on both sides, [left, right], or "same": y is stride times as long as x. Default 0. */
  readonly padding?: Padding1d;
  /** Elements added at the end, less than the larger of stride and dilation. Default 0. */
  readonly outputPadding?: number;
}

export const CONV_TRANSPOSE1D = {
  ...CONV1D,
  outputPadding: "number",
} as const satisfies OptionKinds<ConvTranspose1dOptions>;

/**
 * The transpose of conv1d: x [N, C, L], w [C, O/groups, K], b [O] -> [N, O, OL] with
 * OL = (L - 1) stride - left - right + dilation (K - 1) + outputPadding + 1. Throws as convTranspose2d, of which this is the
 * case of one row. torch.nn.functional.conv_transpose1d.
 */
export function convTranspose1d(
  x: Tensor,
  w: Tensor,
  b?: Tensor,
  options: ConvTranspose1dOptions = {},
): Tensor {
  const who = "convTranspose1d";
  const [N, C, L] = expectSpec(who, "input", x, 3).shape as readonly [number, number, number];
  const [WC, OG, K] = expectSpec(who, "weight", w, 3).shape as readonly [number, number, number];
  const {
    padding = 0,
    stride = 1,
    dilation = 1,
    groups = 1,
    outputPadding,
  } = checkOptions(who, options, CONV_TRANSPOSE1D);
  const y = transposed(who, reshape(x, [N, C, 1, L]), reshape(w, [WC, OG, 1, K]), b, {
    stride: [1, stride],
    padding: sides1d(who, padding),
    dilation: [1, dilation],
    groups,
    ...(outputPadding === undefined ? {} : { outputPadding: [0, outputPadding] }),
  });
  return reshape(y, [N, y.shape[1]!, y.shape[3]!]);
}

/** `convTranspose2d` for callers of other names; the options are checked. */
function transposed(
  who: string,
  x: Tensor,
  w: Tensor,
  b: Tensor | undefined,
  given: ConvTranspose2dOptions,
): Tensor {
  const [, C, XH, XW] = expectSpec(who, "input", x, 4).shape as readonly [number, number, number, number];
  const [WC, OG, KH, KW] = expectSpec(who, "weight", w, 4).shape as readonly [number, number, number, number];
  if (WC !== C) throw shapeError(who, `weight must have ${C} input channels`, [x, w]);
  const { padding = 0, outputPadding, groups = 1 } = given;
  const same = padding === "same";
  if (same && outputPadding !== undefined) {
    throw new ShapeError(`${who}: padding "same" settles the size; leave outputPadding out`);
  }
  expectWhole(who, "groups", groups, 1);
  const stride = pair(who, "stride", given.stride ?? 1, 1);
  const dilation = pair(who, "dilation", given.dilation ?? 1, 1);
  const mores = pair(who, "outputPadding", outputPadding ?? 0, 0);
  const pads = same ? undefined : sides(who, padding, FORMS);
  if (C % groups !== 0) throw new ShapeError(`${who}: ${C} channels do not divide into ${groups} groups`);
  const O = OG * groups;
  if (b !== undefined && expectSpec(who, "bias", b, 1).shape[0] !== O) {
    throw shapeError(who, `bias must hold ${O} values`, [b]);
  }
  const axis = (i: 0 | 1, from: number, kernel: number) => {
    const [s, d] = [stride[i], dilation[i]];
    const spare = d * (kernel - 1) + 1 - s;
    const [p, q] = pads
      ? [pads[i], pads[i + 2] as number]
      : [Math.max(0, spare >> 1), Math.max(0, (spare + 1) >> 1)];
    const more = same ? Math.max(0, -spare) : mores[i];
    if (more >= Math.max(s, d)) {
      throw new ShapeError(
        `${who}: outputPadding must be less than stride ${s} or dilation ${d}, got ${more}`,
      );
    }
    const size = (from - 1) * s - p - q + d * (kernel - 1) + more + 1;
    // Up to stride - 1 is what a stride skips; beyond that less is cut off at the end, and then come zeros.
    const extra = Math.max(0, more - s + 1);
    const zeros = Math.max(0, extra - q);
    return { size, zeros, before: p, after: q - extra + zeros };
  };
  const [rows, columns] = [axis(0, XH, KH), axis(1, XW, KW)];
  const cut = [rows.before, columns.before, rows.after, columns.after] as const;
  const attrs = convAttrs(who, { stride, padding: cut, dilation, groups });
  const [H, W] = [rows.size - rows.zeros, columns.size - columns.zeros];
  if (H < 1 || W < 1) throw shapeError(who, `padding leaves nothing of the output [${H}, ${W}]`, [x, w]);
  const inner = conv2dBackwardInputOp.one([w, x], { ...attrs, H, W }, who);
  const padded = rows.zeros > 0 || columns.zeros > 0;
  const y = padded ? pad(inner, [0, columns.zeros, 0, rows.zeros]) : inner;
  return b === undefined ? y : add(y, reshape(b, [1, O, 1, 1]));
}
