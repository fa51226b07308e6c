/**
 * Pooling to a given size and interpolation between pixels, composed of other ops: along an axis each result is a weighted sum of
 * a few gathered input positions. Where the sizes are multiples of each other, ordinary pooling or broadcasting does it.
 */

import { type Pair, pair } from "../../geometry/conv.ts";
import { expectSpec } from "../../graph/op.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { ShapeError, ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../../validation/options.ts";
import { mul } from "../elementwise/arithmetic.ts";
import { where } from "../elementwise/compare.ts";
import { take } from "../index/gather.ts";
import { expand, mean, sum } from "../reduce/sum.ts";
import { concat } from "../shape/concat.ts";
import { reshape } from "../shape/reshape.ts";
import { slice } from "../shape/slice.ts";
import { avgPool2d, maxPool2d } from "./pool.ts";

function planes(who: string, x: Tensor): readonly [N: number, C: number, H: number, W: number] {
  return expectSpec(who, "input", x, 4).shape as readonly [number, number, number, number];
}

/** Mean of each plane: x [N, C, H, W] -> [N, C, 1, 1]. Throws ShapeError on another rank. */
export function globalAvgPool2d(x: Tensor): Tensor {
  planes("globalAvgPool2d", x);
  return mean(x, { axes: [2, 3], keepDims: true });
}

/** Maximum of each plane: x [N, C, H, W] -> [N, C, 1, 1]; the gradient goes to the first of equal pixels. */
export function globalMaxPool2d(x: Tensor): Tensor {
  const [, , H, W] = planes("globalMaxPool2d", x);
  return maxPool2d(x, [H, W]);
}

/** Window i of `to` over `from` pixels: from floor(i from / to) up to ceil((i + 1) from / to). */
function windowOf(i: number, from: number, to: number): readonly [begin: number, end: number] {
  return [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
}

/** Pixels of a plane of 1 GiB, more than any device has room for in one tensor beside others. */
const MOST_PIXELS = 2 ** 28;

/** `size`. Throws ShapeError on planes that no device holds: the weights of their pixels are computed on the host. */
function checkPixels(who: string, name: string, size: readonly [number, number]): readonly [number, number] {
  if (size[0] * size[1] <= MOST_PIXELS) return size;
  throw new ShapeError(`${who}: ${name} [${size.join(", ")}] must be at most ${MOST_PIXELS} pixels`);
}

function sizes(who: string, outputSize: Pair): readonly [number, number] {
  return checkPixels(who, "outputSize", pair(who, "outputSize", outputSize, 1));
}

/**
 * Means of x [N, C, H, W] over OH x OW windows that cover it as evenly as possible: [N, C, OH, OW].
 * torch.nn.functional.adaptive_avg_pool2d. Throws ShapeError.
 */
export function adaptiveAvgPool2d(x: Tensor, outputSize: Pair): Tensor {
  const [, , H, W] = planes("adaptiveAvgPool2d", x);
  const [OH, OW] = sizes("adaptiveAvgPool2d", outputSize);
  if (H % OH === 0 && W % OW === 0) return avgPool2d(x, [H / OH, W / OW]);
  const weights = (from: number, to: number) => (i: number, k: number) => {
    const [begin, end] = windowOf(i, from, to);
    return k >= begin && k < end ? 1 / (end - begin) : 0;
  };
  return separable(x, [OH, OW], weights(H, OH), weights(W, OW));
}

/**
 * Maxima of x [N, C, H, W] over OH x OW windows that cover it as evenly as possible: [N, C, OH, OW]; the gradient goes to
 * the first of equal pixels. torch.nn.functional.adaptive_max_pool2d. Throws ShapeError.
 */
export function adaptiveMaxPool2d(x: Tensor, outputSize: Pair): Tensor {
  const [, , H, W] = planes("adaptiveMaxPool2d", x);
  const [OH, OW] = sizes("adaptiveMaxPool2d", outputSize);
  if (H % OH === 0 && W % OW === 0) return maxPool2d(x, [H / OH, W / OW]);
  // Along rows first, then along columns: of equal pixels the first in row-major order wins.
  return maxAlong(maxAlong(x, 3, OW), 2, OH);
}

function maxAlong(x: Tensor, axis: 2 | 3, to: number): Tensor {
  const from = x.shape[axis] as number;
  const parts = Array.from({ length: to }, (_, i) => {
    const [begin, end] = windowOf(i, from, to);
    const starts = axis === 2 ? [0, 0, begin, 0] : [0, 0, 0, begin];
    const part = slice(
      x,
      starts,
      x.shape.map((d, a) => (a === axis ? end : d)),
    );
    return maxPool2d(part, axis === 2 ? [end - begin, 1] : [1, end - begin]);
  });
  return concat(parts, axis);
}

export interface UpsampleOptions {
  /** Height and width of the result; give this or `scale`. */
  readonly size?: Pair;
  /** Factor of height and width; the size is rounded down. */
  readonly scale?: Pair;
  /** Default nearest. */
  readonly mode?: "nearest" | "bilinear";
  /** bilinear only: the centres of the corner pixels are aligned, not their corners. Default false. */
  readonly alignCorners?: boolean;
}

export const UPSAMPLE = {
  size: "numbers",
  scale: "numbers",
  mode: ["nearest", "bilinear"],
  alignCorners: "boolean",
} as const satisfies OptionKinds<UpsampleOptions>;

/**
 * x [N, C, H, W] in another size, [N, C, OH, OW], by the nearest pixel or between pixels; may shrink too, without
 * smoothing. torch.nn.functional.interpolate. Throws ShapeError, and ValueError unless one of size and scale is given.
 */
export function upsample(x: Tensor, options: UpsampleOptions): Tensor {
  const { size, scale, mode = "nearest", alignCorners = false } = checkOptions("upsample", options, UPSAMPLE);
  const [N, C, H, W] = planes("upsample", x);
  if ((size === undefined) === (scale === undefined)) {
    throw new ValueError("upsample: give size or scale, and not both");
  }
  if (alignCorners && mode !== "bilinear")
    throw new ValueError("upsample: alignCorners is for bilinear only");
  const axis = (from: number, i: 0 | 1) => {
    if (size !== undefined) {
      const to = pair("upsample", "size", size, 1)[i];
      return { to, step: from / to };
    }
    const times = typeof scale === "number" ? scale : (scale?.[i] ?? Number.NaN);
    if (typeof scale !== "number" && scale?.length !== 2) {
      throw new ShapeError(`upsample: scale must be one number or [y, x], got ${shown(scale)}`);
    }
    const to = Math.floor(from * times);
    if (!(to >= 1)) throw new ShapeError(`upsample: scale ${times} of ${from} pixels leaves none`);
    return { to, step: 1 / times };
  };
  const [rows, columns] = [axis(H, 0), axis(W, 1)];
  const out = checkPixels("upsample", "its result", [rows.to, columns.to]);
  if (mode === "nearest" && rows.to % H === 0 && columns.to % W === 0) {
    const [fy, fx] = [rows.to / H, columns.to / W];
    const stretched = expand(reshape(x, [N, C, H, 1, W, 1]), [N, C, H, fy, W, fx]);
    return reshape(stretched, [N, C, ...out]);
  }
  const weights =
    (from: number, { to, step }: { to: number; step: number }) =>
    (i: number, k: number) => {
      if (mode === "nearest") return k === Math.min(Math.floor(i * step), from - 1) ? 1 : 0;
      const corner = to === 1 ? 0 : (i * (from - 1)) / (to - 1);
      const at = alignCorners ? corner : Math.max(0, (i + 0.5) * step - 0.5);
      const first = Math.min(Math.floor(at), from - 1);
      const part = first === from - 1 ? 0 : at - first;
      return k === first ? 1 - part : k === first + 1 ? part : 0;
    };
  return separable(x, out, weights(H, rows), weights(W, columns));
}

/** y[i, j] = sum over k, l of rows(i, k) columns(j, l) x[k, l] in each plane. Positions of weight 0 are not read. */
function separable(
  x: Tensor,
  [OH, OW]: readonly [number, number],
  rows: (i: number, k: number) => number,
  columns: (i: number, k: number) => number,
): Tensor {
  return weightedAlong(weightedAlong(x, 3, OW, columns), 2, OH, rows);
}

/** Along one axis: the sum of the positions whose weight is not 0, each times its weight. */
function weightedAlong(x: Tensor, axis: 2 | 3, to: number, weight: (i: number, k: number) => number): Tensor {
  const from = x.shape[axis] as number;
  const terms = Array.from({ length: to }, (_, i) =>
    Array.from({ length: from }, (_, k) => ({ k, w: weight(i, k) })).filter(({ w }) => w !== 0),
  );
  const most = Math.max(...terms.map((t) => t.length));
  const shape = [to, most, ...(axis === 2 ? [1] : [])];
  // Results of fewer terms read their first position again and then drop it: times 0, NaN and infinities would spread.
  const list = terms.flatMap((t) =>
    Array.from({ length: most }, (_, i) => t[i] ?? { k: t[0]?.k ?? 0, w: 0 }),
  );
  const read = take(
    x,
    constant(
      Int32Array.from(list, ({ k }) => k),
      [to, most],
    ),
    axis,
  );
  const weights = Float64Array.from(list, ({ w }) => w);
  const even = weights.every((w) => w === 1);
  const scaled = even ? read : mul(read, constant(weights, shape));
  const used = weights.every((w) => w !== 0) ? scaled : where(constant(weights, shape), scaled, 0);
  return sum(used, { axes: axis + 1 });
}
