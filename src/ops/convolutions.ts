/**
 * Convolutions made of conv2d and its gradients: padding "same", one dimension, transposed. Their gradients follow from
 * those of what they are made of. Refuses an output padding as large as stride and dilation.
 */
import { ShapeError } from "../errors.ts";
import { expectSpec, expectWhole, shapeError } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { add } from "./arithmetic.ts";
import { convAttrs } from "./conv-geometry.ts";
import { type Conv2dOptions, conv2dBackwardInputOp, conv2d as plainConv2d } from "./conv2d.ts";
import { pad } from "./pad.ts";
import { reshape } from "./reshape.ts";

type Pair = number | readonly [number, number];
const pair = (value: Pair): readonly [number, number] => (typeof value === "number" ? [value, value] : value);

export interface ConvOptions extends Omit<Conv2dOptions, "padding"> {
  /** As conv2d's, or "same": y is as large as x; where that is uneven the last side gets one more. Needs stride 1. */
  readonly padding?: Conv2dOptions["padding"] | "same";
}

/**
 * Convolves x [N, C, H, W] with w [O, C/groups, KH, KW] and adds b [O] if given; all f32. Gives [N, O, OH, OW] with
 * OH = floor((H + top + bottom - dilation (KH - 1) - 1) / stride) + 1, OW likewise.
 *
 * Throws ShapeError when ranks, channels, groups or the kernel's size do not go together, and for "same" with a stride.
 * Names, defaults and formula as in PyTorch's conv2d; padding may differ on each side.
 */
export function conv2d(x: Tensor, w: Tensor, b?: Tensor, options: ConvOptions = {}): Tensor {
  const { padding, ...rest } = options;
  if (padding !== "same") return plainConv2d(x, w, b, padding === undefined ? rest : { ...rest, padding });
  const [, , KH, KW] = expectSpec("conv2d", "weight", w, 4).shape as readonly [
    number,
    number,
    number,
    number,
  ];
  if (pair(options.stride ?? 1).some((s) => s !== 1)) {
    throw new ShapeError(
      `conv2d: padding "same" needs a stride of 1, got ${pair(options.stride ?? 1).join(", ")}`,
    );
  }
  const [dy, dx] = pair(options.dilation ?? 1);
  const [rows, columns] = [dy * (KH - 1), dx * (KW - 1)];
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  return plainConv2d(x, w, b, { ...rest, padding: [top, left, rows - top, columns - left] });
}

export interface Conv1dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros on both sides, [left, right], or "same". Default 0. */
  readonly padding?: number | readonly [left: number, right: number] | "same";
  /** Default 1. */
  readonly dilation?: number;
  /** Default 1. */
  readonly groups?: number;
}

/**
 * Convolves x [N, C, L] with w [O, C/groups, K] and adds b [O] if given: [N, O, OL]. Throws ShapeError as conv2d does, of
 * which this is the case of one row. torch.nn.functional.conv1d.
 */
export function conv1d(x: Tensor, w: Tensor, b?: Tensor, options: Conv1dOptions = {}): Tensor {
  const [N, C, L] = expectSpec("conv1d", "input", x, 3).shape as readonly [number, number, number];
  const [O, CG, K] = expectSpec("conv1d", "weight", w, 3).shape as readonly [number, number, number];
  const { padding = 0, stride = 1, dilation = 1, groups = 1 } = options;
  const [left, right] = padding === "same" ? [0, 0] : pair(padding);
  const y = conv2d(reshape(x, [N, C, 1, L]), reshape(w, [O, CG, 1, K]), b, {
    stride: padding === "same" ? stride : [1, stride],
    padding: padding === "same" ? "same" : [0, left, 0, right],
    dilation: [1, dilation],
    groups,
  });
  return reshape(y, [N, O, y.shape[3] as number]);
}

export interface ConvTranspose2dOptions {
  /** Default 1. */
  readonly stride?: Pair;
  /** Rows and columns cut off on all sides. Default 0. */
  readonly padding?: Pair;
  /** Rows and columns added at the end, less than the larger of stride and dilation. Default 0. */
  readonly outputPadding?: Pair;
  /** Default 1. */
  readonly groups?: number;
  /** Default 1. */
  readonly dilation?: Pair;
}

/**
 * The transpose of conv2d: x [N, C, H, W], w [C, O/groups, KH, KW], b [O] -> [N, O, OH, OW] with
 * OH = (H - 1) stride - 2 padding + dilation (KH - 1) + outputPadding + 1, OW likewise; all f32.
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
  const who = "convTranspose2d";
  const [, C, XH, XW] = expectSpec(who, "input", x, 4).shape as readonly [number, number, number, number];
  const [WC, OG, KH, KW] = expectSpec(who, "weight", w, 4).shape as readonly [number, number, number, number];
  if (WC !== C) throw shapeError(who, `weight must have ${C} input channels`, [x, w]);
  const { stride = 1, padding = 0, dilation = 1, groups = 1, outputPadding = 0 } = options;
  if (C % groups !== 0) throw new ShapeError(`${who}: ${C} channels do not divide into ${groups} groups`);
  const O = OG * groups;
  if (b !== undefined && expectSpec(who, "bias", b, 1).shape[0] !== O) {
    throw shapeError(who, `bias must hold ${O} values`, [b]);
  }
  const axis = (i: 0 | 1, from: number, kernel: number) => {
    const [s, p, d] = [pair(stride)[i], pair(padding)[i], pair(dilation)[i]];
    const more = expectWhole(who, "outputPadding", pair(outputPadding)[i], 0);
    if (more >= Math.max(s, d)) {
      throw new ShapeError(
        `${who}: outputPadding must be less than stride ${s} or dilation ${d}, got ${more}`,
      );
    }
    const size = (from - 1) * s - 2 * p + d * (kernel - 1) + more + 1;
    // Up to stride - 1 is what a stride skips; beyond that less is cut off at the end, and then come zeros.
    const extra = Math.max(0, more - s + 1);
    const zeros = Math.max(0, extra - p);
    return { size, zeros, before: p, after: p - extra + zeros };
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
