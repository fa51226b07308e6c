/**
 * Images resampled by one affine map per sample: crops, flips, shifts, rotations, scalings and shears in one dispatch.
 * Positions are 16.16 fixed point, so that every backend reads the same pixels with the same weights. For data augmentation: it
 * has no gradient. Refuses images of more than 2048 pixels along an axis.
 */

import {
  type DefinedOp,
  defineOp,
  expectSpec,
  expectTensor,
  expectWhole,
  shapeError,
} from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { affineSampleKernels } from "../../kernels/index/affine-sample.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";

/** Most pixels along an axis. */
const MAX_PIXELS = 2048;
/** 1 in 16.16 fixed point. */
const ONE = 65536;
/** Limits of the entries of theta: larger ones reach no image, and sums of them would overflow. */
const LINEAR_BOUND = 8 * ONE - 1;
const SHIFT_BOUND = 2 ** 29;

interface Attrs {
  readonly size: readonly [height: number, width: number];
  readonly nearest: boolean;
  readonly fill: number;
}

export const affineSampleOp: DefinedOp<Attrs> = defineOp({
  name: "affineSample",
  args: ["x", "theta"],
  results: ["y"],
  plan([x, theta], { size, nearest, fill }: Attrs) {
    const { shape } = expectSpec("affineSample", "x", x, 4);
    const [N, C, H, W] = shape as [number, number, number, number];
    const FLOATS = theta?.dtype === "f32";
    expectSpec("affineSample", "theta", theta, 3, FLOATS ? "f32" : "i32");
    if (theta!.shape.join() !== `${N},2,3`) {
      throw shapeError("affineSample", `theta must be [${N}, 2, 3] for these images`, [x!, theta!]);
    }
    const [OH, OW] = size;
    for (const axis of size) expectWhole("affineSample", "size", axis, 1);
    if (Math.max(H, W, OH, OW) > MAX_PIXELS) {
      throw shapeError("affineSample", `takes and gives at most ${MAX_PIXELS} pixels along an axis`, [x!]);
    }
    if (!Number.isFinite(fill)) throw new ValueError(`affineSample: fill must be finite, got ${fill}`);
    return {
      outputs: [{ shape: [N, C, OH, OW], dtype: "f32" }],
      constants: { N, C, H, W, OH, OW, NEAREST: nearest, FLOATS, fillValue: fill },
    };
  },
  cpu({ x, theta, y }, { N, C, H, W, OH, OW, NEAREST, FLOATS, fillValue }) {
    const entry = (i: number, bound: number) => {
      const fixed = FLOATS ? Math.floor(theta[i]! * ONE + 0.5) : theta[i]!;
      return Math.min(Math.max(fixed, -bound), bound);
    };
    for (let n = 0; n < N; n++) {
      const row = (at: number) => [
        entry(at, LINEAR_BOUND) / 2,
        entry(at + 1, LINEAR_BOUND) / 2,
        entry(at + 2, SHIFT_BOUND),
      ];
      const [xx, xy, x0] = row(6 * n) as [number, number, number];
      const [yx, yy, y0] = row(6 * n + 3) as [number, number, number];
      for (let oy = 0; oy < OH; oy++) {
        for (let ox = 0; ox < OW; ox++) {
          const [X, Y] = [2 * ox - (OW - 1), 2 * oy - (OH - 1)];
          const sx = (Math.floor(xx * X + xy * Y) + x0) / ONE + (W - 1) / 2;
          const sy = (Math.floor(yx * X + yy * Y) + y0) / ONE + (H - 1) / 2;
          for (let c = 0; c < C; c++) {
            const pixel = (iy: number, ix: number) =>
              iy >= 0 && iy < H && ix >= 0 && ix < W ? x[((n * C + c) * H + iy) * W + ix]! : fillValue;
            const [ix, iy] = [Math.floor(sx), Math.floor(sy)];
            const [fx, fy] = [sx - ix, sy - iy];
            y[((n * C + c) * OH + oy) * OW + ox] = NEAREST
              ? pixel(Math.floor(sy + 0.5), Math.floor(sx + 0.5))
              : (pixel(iy, ix) * (1 - fx) + pixel(iy, ix + 1) * fx) * (1 - fy) +
                (pixel(iy + 1, ix) * (1 - fx) + pixel(iy + 1, ix + 1) * fx) * fy;
          }
        }
      }
    }
  },
  kernels: affineSampleKernels,
});

export interface AffineSampleOptions {
  /** Height and width of the result; default those of x. */
  readonly size?: readonly [height: number, width: number];
  /** Between pixels (default) or the nearest one. */
  readonly interpolation?: "bilinear" | "nearest";
  /** Value of pixels outside the image; default 0. Bilinear interpolation mixes it in at the edge. */
  readonly fill?: number;
}

/**
 * y[n, c, oy, ox] = x[n, c] at `theta[n] (ox, oy, 1)`: x [N, C, H, W] -> [N, C, …size]. `theta` [N, 2, 3] maps
 * positions in the result to positions in the image, x before y, in pixels from the centre of each; as f32, or as i32
 * in 16.16 fixed point (as `drawAffine` gives it). Its first two columns must lie within 8. Like
 * torch.nn.functional.grid_sample with zero padding, but for the units. Throws ShapeError and ValueError.
 */
export function affineSample(x: Tensor, theta: Tensor, options: AffineSampleOptions = {}): Tensor {
  expectTensor("affineSample", "x", x);
  const kinds = { size: "numbers", interpolation: "any", fill: "any" } as const;
  const { interpolation = "bilinear", fill = 0 } = checkOptions("affineSample", options, kinds);
  const size = options.size ?? ([x.shape[2] ?? 1, x.shape[3] ?? 1] as const);
  if (interpolation !== "bilinear" && interpolation !== "nearest") {
    throw new ValueError(
      `affineSample: interpolation must be bilinear or nearest, got ${String(interpolation)}`,
    );
  }
  return affineSampleOp.one([x, theta], { size, nearest: interpolation === "nearest", fill });
}
