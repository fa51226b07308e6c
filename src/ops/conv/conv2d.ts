/**
 * 2-d convolution (cross-correlation: the kernel is not flipped) and its two gradients, which are convolutions again
 * and so have gradients themselves. Kernels are chosen in src/kernels/conv/conv2d.ts.
 */

import {
  CONV2D,
  type Conv2dOptions,
  type ConvAttrs,
  type ConvConstants,
  convAttrs,
  convConstants,
} from "../../geometry/conv.ts";
import { type DefinedOp, defineOp, expectSpec, shapeError } from "../../graph/op.ts";
import { type Data, formatShape, type Shape, type Spec, sameShape } from "../../graph/spec.ts";
import type { BackwardContext, Tensor } from "../../graph/tensor.ts";
import {
  backwardInputKernels,
  backwardWeightKernels,
  CONV_VARIANTS,
  forwardKernels,
} from "../../kernels/conv/conv2d.ts";
import { checkOptions } from "../../validation/options.ts";
import { fill } from "../elementwise/fill.ts";

export type { Conv2dOptions } from "../../geometry/conv.ts";

/** Attributes of the input gradient: x's height and width do not follow from the others. */
type InputAttrs = ConvAttrs & { readonly H: number; readonly W: number };
/** Attributes of the weight gradient: the kernel's size does not follow from the others. */
type WeightAttrs = ConvAttrs & { readonly KH: number; readonly KW: number };

export const conv2dOp: DefinedOp<ConvAttrs> = defineOp({
  name: "conv2d",
  args: ["x", "w", "b"],
  results: ["y"],
  variants: CONV_VARIANTS,
  plan([x, w, b], attrs: ConvAttrs) {
    const xs = expectSpec("conv2d", "input", x, 4).shape;
    const ws = expectSpec("conv2d", "weight", w, 4).shape;
    const constants = convConstants("conv2d", xs, ws, attrs);
    const { N, O, OH, OW } = constants;
    if (b !== undefined && expectSpec("conv2d", "bias", b, 1).shape[0] !== O) {
      throw shapeError("conv2d", `bias must hold ${O} values`, [b]);
    }
    const outputs: Spec[] = [{ shape: [N, O, OH, OW], dtype: "f32" }];
    return { outputs, constants: { ...constants, BIAS: b !== undefined } };
  },
  cpu({ x, w, b, y }, constants) {
    const { N, O, OH, OW, BIAS, strideX } = constants;
    const sums = new Float64Array(N * O * OH * OW);
    forEachRun(constants, (xi, wi, yi, count) => {
      const weight = w[wi]!;
      for (let k = 0; k < count; k++) sums[yi + k]! += x[xi + k * strideX]! * weight;
    });
    for (let i = 0; i < sums.length; i++) y[i] = sums[i]! + (BIAS ? b[Math.floor(i / (OH * OW)) % O]! : 0);
  },
  kernels: forwardKernels,
  backward({ inputs: [x, w], grads: [dy], needs, attrs }: BackwardContext<ConvAttrs>) {
    const dx = needs[0]
      ? conv2dBackwardInputOp.one([w!, dy!], { ...attrs, H: x!.shape[2]!, W: x!.shape[3]! })
      : undefined;
    if (!needs[1] && !needs[2]) return [dx];
    const kernel = { KH: w!.shape[2]!, KW: w!.shape[3]! };
    const [dw, db] = conv2dBackwardWeightOp.apply([x!, dy!], { ...attrs, ...kernel });
    return [dx, dw, db];
  },
});

/** dx of conv2d from w and dy: a convolution of dy with the flipped kernel. */
export const conv2dBackwardInputOp: DefinedOp<InputAttrs> = defineOp({
  name: "conv2dBackwardInput",
  args: ["w", "dy"],
  results: ["dx"],
  variants: CONV_VARIANTS,
  plan([w, dy], attrs: InputAttrs) {
    const name = "conv2dBackwardInput";
    const ws = expectSpec(name, "weight", w, 4).shape;
    const dys = expectSpec(name, "dy", dy, 4).shape;
    const { H, W, ...conv } = attrs;
    const shape = [dys[0]!, ws[1]! * conv.GROUPS, H, W];
    const constants = convConstants(name, shape, ws, conv);
    checkGradient(name, dys, constants);
    const outputs: Spec[] = [{ shape, dtype: "f32" }];
    return { outputs, constants };
  },
  cpu({ w, dy, dx }, constants) {
    const { N, C, H, W, strideX } = constants;
    const sums = new Float64Array(N * C * H * W);
    forEachRun(constants, (xi, wi, yi, count) => {
      const weight = w[wi]!;
      for (let k = 0; k < count; k++) sums[xi + k * strideX]! += weight * dy[yi + k]!;
    });
    dx.set(sums);
  },
  kernels: backwardInputKernels,
  backward({ inputs: [w, dy], grads: [g], needs, attrs: { H: _h, W: _w, ...conv } }) {
    const kernel = { KH: w!.shape[2]!, KW: w!.shape[3]! };
    return [
      needs[0] ? conv2dBackwardWeightOp.one([g!, dy!], { ...conv, ...kernel }) : undefined,
      needs[1] ? conv2dOp.one([g!, w!], conv) : undefined,
    ];
  },
});

/** dw and db of conv2d from x and dy. */
export const conv2dBackwardWeightOp: DefinedOp<WeightAttrs> = defineOp({
  name: "conv2dBackwardWeight",
  args: ["x", "dy"],
  results: ["dw", "db"],
  variants: CONV_VARIANTS,
  plan([x, dy], attrs: WeightAttrs) {
    const name = "conv2dBackwardWeight";
    const xs = expectSpec(name, "input", x, 4).shape;
    const dys = expectSpec(name, "dy", dy, 4).shape;
    const { KH, KW, ...conv } = attrs;
    const O = dys[1]!;
    const shape = [O, Math.floor(xs[1]! / conv.GROUPS), KH, KW];
    const constants = convConstants(name, xs, shape, conv);
    checkGradient(name, dys, constants);
    const outputs: Spec[] = [
      { shape, dtype: "f32" },
      { shape: [O], dtype: "f32" },
    ];
    return { outputs, constants };
  },
  cpu({ x, dy, dw, db }, constants) {
    const { strideX } = constants;
    const sums = new Float64Array(dw.length);
    forEachRun(constants, (xi, wi, yi, count) => {
      let sum = 0;
      for (let k = 0; k < count; k++) sum += x[xi + k * strideX]! * dy[yi + k]!;
      sums[wi]! += sum;
    });
    dw.set(sums);
    biasGradient(dy, db, constants);
  },
  kernels: backwardWeightKernels,
  backward({ inputs: [x, dy], grads: [gw, gb], needs, attrs: { KH, KW, ...conv } }) {
    // Without a gradient of dw only the bias matters; the rest is linear in a weight of zeros.
    const [N, C, H, W] = x!.shape as readonly [number, number, number, number];
    const weight = gw ?? fill([dy!.shape[1]!, C / conv.GROUPS, KH, KW], 0);
    return [
      needs[0] && gw !== undefined ? conv2dBackwardInputOp.one([gw, dy!], { ...conv, H, W }) : undefined,
      needs[1] && N > 0 ? conv2dOp.one(gb === undefined ? [x!, weight] : [x!, weight, gb], conv) : undefined,
    ];
  },
});

/** db[o]: the sum of dy over batch and space. */
function biasGradient(dy: Data, db: Data, { N, O, OH, OW }: ConvConstants): void {
  for (let o = 0; o < O; o++) {
    let sum = 0;
    for (let n = 0; n < N; n++) {
      for (let p = 0; p < OH * OW; p++) sum += dy[(n * O + o) * OH * OW + p]!;
    }
    db[o] = sum;
  }
}

function checkGradient(op: string, dy: Shape, { N, O, OH, OW }: ConvConstants): void {
  if (!sameShape(dy, [N, O, OH, OW])) {
    throw shapeError(op, `dy must have shape ${formatShape([N, O, OH, OW])}`, [{ shape: dy, dtype: "f32" }]);
  }
}

/**
 * Calls `visit` for every run of products that a convolution sums with one weight: from indices xi and yi on, `count`
 * steps of `strideX` in x and of 1 in y. Runs, because a call per product would cost more than the product.
 */
function forEachRun(
  c: ConvConstants,
  visit: (xi: number, wi: number, yi: number, count: number) => void,
): void {
  const { N, C, H, W, O, CG, OG, KH, KW, OH, OW, strideX } = c;
  for (let n = 0; n < N; n++) {
    for (let o = 0; o < O; o++) {
      const firstChannel = Math.floor(o / OG) * CG;
      for (let ci = 0; ci < CG; ci++) {
        for (let ky = 0; ky < KH; ky++) {
          for (let kx = 0; kx < KW; kx++) {
            // ix = ox strideX - left lies in the input from `from` to `to`.
            const left = c.padLeft - kx * c.dilationX;
            const from = Math.max(0, Math.ceil(left / strideX));
            const to = Math.min(OW - 1, Math.floor((W - 1 + left) / strideX));
            if (to < from) continue;
            for (let oy = 0; oy < OH; oy++) {
              const iy = oy * c.strideY - c.padTop + ky * c.dilationY;
              if (iy < 0 || iy >= H) continue;
              const xi = ((n * C + firstChannel + ci) * H + iy) * W + from * strideX - left;
              visit(
                xi,
                ((o * CG + ci) * KH + ky) * KW + kx,
                ((n * O + o) * OH + oy) * OW + from,
                to - from + 1,
              );
            }
          }
        }
      }
    }
  }
}

/**
 * Convolves x [N, C, H, W] with w [O, C/groups, KH, KW] and adds b [O] if given; all f32.
 * Gives [N, O, OH, OW] with OH = floor((H + top + bottom - dilation (KH - 1) - 1) / stride) + 1, OW likewise.
 *
 * Throws ShapeError when ranks, channels, groups or the kernel's size do not go together.
 * Names, defaults and formula as in PyTorch's conv2d; padding may differ on each side. NaN and infinities of x reach the
 * windows that hold them. Padding counts as zeros or is left out, whichever the kernel does: a weight that is not finite may
 * make NaN of windows that it meets in padding alone.
 */
export function conv2d(x: Tensor, w: Tensor, b?: Tensor, options: Conv2dOptions = {}): Tensor {
  return conv2dOp.one(
    b === undefined ? [x, w] : [x, w, b],
    convAttrs("conv2d", checkOptions("conv2d", options, CONV2D)),
  );
}
