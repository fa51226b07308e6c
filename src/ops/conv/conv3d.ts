/**
 * 3-d convolution as one 2-d convolution: the depth slices that a result sees become its channels, and depth joins the batch.
 */

import {
  convAttrs,
  convConstants,
  outSize,
  type Padding3d,
  type Sides3d,
  sameSides,
  sides3d,
  type Triple,
  triple,
} from "../../geometry/conv.ts";
import { expectSpec, expectWhole, shapeError } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { concat } from "../shape/concat.ts";
import { pad } from "../shape/pad.ts";
import { reshape } from "../shape/reshape.ts";
import { slice } from "../shape/slice.ts";
import { permute } from "../shape/transpose.ts";
import { conv2d } from "./conv2d.ts";

export interface Conv3dOptions {
  /** Step of the window: one number or [z, y, x]. Default 1. */
  readonly stride?: Triple;
  /**
   * Zeros around the input: one number, [z, y, x], [front, top, left, back, bottom, right], or "same" as in conv2d. Default 0.
   */
  readonly padding?: Padding3d | "same";
  /** Distance between elements of the kernel: one number or [z, y, x]. Default 1. */
  readonly dilation?: Triple;
  /** Channels are split into this many groups that do not see each other. Default 1. */
  readonly groups?: number;
}

export const CONV3D = {
  stride: "numbers",
  padding: "any",
  dilation: "numbers",
  groups: "number",
} as const satisfies OptionKinds<Conv3dOptions>;

type Five = readonly [number, number, number, number, number];

/**
 * Convolves x [N, C, D, H, W] with w [O, C/groups, KD, KH, KW] and adds b [O] if given: [N, O, OD, OH, OW] with
 * OD = floor((D + front + back - dilation (KD - 1) - 1) / stride) + 1, OH and OW likewise; all f32.
 *
 * Cost: the products of conv2d with KD times the channels. Beside them x is copied once (twice with padding in depth), its
 * slices KD times, and y once; the slices need KD times the memory of x until the backward pass is through.
 * Throws ShapeError as conv2d does. torch.nn.functional.conv3d, with padding that may differ on each side.
 */
export function conv3d(x: Tensor, w: Tensor, b?: Tensor, options: Conv3dOptions = {}): Tensor {
  const who = "conv3d";
  const [N, C, D, H, W] = expectSpec(who, "input", x, 5).shape as Five;
  const [O, CG, KD, KH, KW] = expectSpec(who, "weight", w, 5).shape as Five;
  const given = checkOptions(who, options, CONV3D);
  const groups = expectWhole(who, "groups", given.groups ?? 1, 1);
  const stride = triple(who, "stride", given.stride ?? 1, 1);
  const dilation = triple(who, "dilation", given.dilation ?? 1, 1);
  const padding = around(given.padding ?? 0, [D, H, W], [KD, KH, KW], stride, dilation);
  const [front, top, left, back, bottom, right] = padding;
  const plane = {
    stride: [stride[1], stride[2]],
    padding: [top, left, bottom, right],
    dilation: [dilation[1], dilation[2]],
    groups,
  } as const;
  const { OH, OW } = convConstants(who, [N, C, H, W], [O, CG, KH, KW], convAttrs(who, plane));
  const OD = outSize(D + front + back, KD, stride[0], dilation[0]);
  if (OD < 1) throw shapeError(who, "the kernel is deeper than the padded input", [x, w]);
  if (b !== undefined && expectSpec(who, "bias", b, 1).shape[0] !== O)
    throw shapeError(who, `bias must hold ${O} values`, [b]);

  const slices = reshape(permute(x, [0, 2, 1, 3, 4]), [N, D, groups, CG * H * W]);
  const padded = front + back === 0 ? slices : pad(slices, [0, 0, 0, 0, front, back]);
  const seen = Array.from({ length: KD }, (_, k) => {
    const first = k * dilation[0];
    return slice(padded, [0, first], [N, first + (OD - 1) * stride[0] + 1], [1, stride[0]]);
  });
  const channels = reshape(concat(seen, 3), [N * OD, KD * C, H, W]);
  const weight = reshape(permute(w, [0, 2, 1, 3, 4]), [O, KD * CG, KH, KW]);
  const y = conv2d(channels, weight, b, plane);
  return permute(reshape(y, [N, OD, O, OH, OW]), [0, 2, 1, 3, 4]);
}

/** Padding of each side; "same" depends on the sizes. */
function around(
  padding: Padding3d | "same",
  sizes: readonly number[],
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
): Sides3d {
  if (padding !== "same") return sides3d("conv3d", padding);
  const both = sizes.map((size, i) => sameSides(size, kernel[i]!, stride[i]!, dilation[i]!));
  return [...both.map(([before]) => before), ...both.map(([, after]) => after)] as unknown as Sides3d;
}
