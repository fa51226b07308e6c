/**
 * conv2d + bias + relu + maxPool2d as one op, for windows that neither overlap nor are padded and one group of channels.
 * Introduced by `convBlocks` of conv-block-rewrite.ts. Only the position that wins a window has a gradient, so that with
 * 2 x 2 windows the backward kernels that use this do a quarter of the work.
 */

import { type ConvAttrs, convConstants } from "../geometry/conv.ts";
import type { BlockConstants } from "../geometry/conv-block.ts";
import type { PoolConstants } from "../geometry/pool.ts";
import { type DefinedOp, defineOp, expectSpec, shapeError } from "../graph/op.ts";
import { type Data, formatShape, type Shape, type Spec, sameShape } from "../graph/spec.ts";
import { BLOCK_VARIANTS, blockBackwardKernels, blockForwardKernels } from "../kernels/conv/conv-block.ts";
import { conv2dBackwardInputOp, conv2dBackwardWeightOp, conv2dOp } from "../ops/conv/conv2d.ts";
import { reluOp } from "../ops/elementwise/relu-sigmoid-tanh.ts";
import { maxPool2dBackwardOp, maxPool2dOp } from "../ops/pool/pool.ts";

/** Attributes of the convolution (one group) and the size of the pool's windows. */
type BlockAttrs = ConvAttrs & { readonly PKH: number; readonly PKW: number };
type BackwardAttrs = BlockAttrs & { readonly needsX: boolean; readonly needsW: boolean };

/** The argmax index of a window where relu is inactive. */
const NONE = 0xffffffff;

/** (x, w, b?) -> y and, for the gradients, each window's argmax index: row * PKW + column of its first maximum, or NONE. */
export const convBlockOp: DefinedOp<BlockAttrs> = defineOp({
  name: "convBlock",
  args: ["x", "w", "b"],
  results: ["y", "code"],
  variants: BLOCK_VARIANTS,
  plan([x, w, b], attrs: BlockAttrs) {
    const xs = expectSpec("convBlock", "input", x, 4).shape;
    const ws = expectSpec("convBlock", "weight", w, 4).shape;
    const constants = { ...blockConstants("convBlock", xs, ws, attrs), BIAS: b !== undefined };
    if (b !== undefined && expectSpec("convBlock", "bias", b, 1).shape[0] !== constants.O) {
      throw shapeError("convBlock", `bias must hold ${constants.O} values`, [b]);
    }
    const shape = pooledShape(constants);
    return {
      outputs: [
        { shape, dtype: "f32" },
        { shape, dtype: "u32" },
      ],
      constants,
    };
  },
  cpu({ x, w, b, y, code }, c) {
    const conv = floats(x, c.N * c.O * c.OH * c.OW);
    conv2dOp.cpu({ x, w, b, y: conv }, c);
    conv.forEach((v, i) => {
      conv[i] = reluOp.pointwise!.scalar([v], {}, ["f32"]);
    });
    const indices = new Int32Array(y.length);
    maxPool2dOp.cpu({ x: conv, y, indices }, poolConstants(c));
    indices.forEach((at, i) => {
      code[i] = y[i] !== 0 ? (Math.floor(at / c.OW) % c.PKH) * c.PKW + ((at % c.OW) % c.PKW) : NONE;
    });
  },
  kernels: blockForwardKernels,
});

/** (w, x, dy, code) -> dx, dw, db; those not needed are single unset elements. */
export const convBlockBackwardOp: DefinedOp<BackwardAttrs> = defineOp({
  name: "convBlockBackward",
  args: ["w", "x", "dy", "code"],
  results: ["dx", "dw", "db"],
  variants: BLOCK_VARIANTS,
  plan([w, x, dy, code], { needsX, needsW, ...attrs }: BackwardAttrs) {
    const name = "convBlockBackward";
    const ws = expectSpec(name, "weight", w, 4).shape;
    const xs = expectSpec(name, "input", x, 4).shape;
    const constants = { ...blockConstants(name, xs, ws, attrs), needsX, needsW };
    checkPooled(name, dy, code, constants);
    const spec = (needed: boolean, shape: Shape): Spec => ({ shape: needed ? shape : [1], dtype: "f32" });
    return { outputs: [spec(needsX, xs), spec(needsW, ws), spec(needsW, [constants.O])], constants };
  },
  cpu({ w, x, dy, code, dx, dw, db }, c) {
    const dense = unpooled(dy, code, c);
    if (c.needsX) conv2dBackwardInputOp.cpu({ w, dy: dense, dx }, c);
    if (c.needsW) conv2dBackwardWeightOp.cpu({ x, dy: dense, dw, db }, c);
  },
  kernels: blockBackwardKernels,
});

function blockConstants(op: string, x: readonly number[], w: readonly number[], attrs: BlockAttrs) {
  const { PKH, PKW, ...conv } = attrs;
  const c = convConstants(op, x, w, conv);
  const constants: BlockConstants = {
    ...c,
    PKH,
    PKW,
    PH: Math.floor(c.OH / PKH),
    PW: Math.floor(c.OW / PKW),
  };
  if (conv.GROUPS !== 1 || constants.PH < 1 || constants.PW < 1) {
    throw shapeError(op, `needs one group and windows [${PKH}, ${PKW}] that fit`, [
      { shape: [c.N, c.O, c.OH, c.OW], dtype: "f32" },
    ]);
  }
  return constants;
}

function checkPooled(op: string, dy: Spec | undefined, code: Spec | undefined, c: BlockConstants): void {
  const shape = pooledShape(c);
  const given = [expectSpec(op, "dy", dy, 4), expectSpec(op, "code", code, 4, "u32")];
  if (!given.every((spec) => sameShape(spec.shape, shape))) {
    throw shapeError(op, `dy and code must have shape ${formatShape(shape)}`, given);
  }
}

function pooledShape({ N, O, PH, PW }: BlockConstants): number[] {
  return [N, O, PH, PW];
}

/** The constants of the pool among the parts. */
function poolConstants(c: BlockConstants): PoolConstants {
  return {
    N: c.N,
    C: c.O,
    H: c.OH,
    W: c.OW,
    OH: c.PH,
    OW: c.PW,
    KH: c.PKH,
    KW: c.PKW,
    strideY: c.PKH,
    strideX: c.PKW,
    padTop: 0,
    padLeft: 0,
    padBottom: 0,
    padRight: 0,
    dilationY: 1,
    dilationX: 1,
  };
}

/** The gradient of the convolution's output: dy at each window's argmax index, zero elsewhere. */
function unpooled(dy: Data, code: Data, c: BlockConstants): Data {
  const indices = Int32Array.from(code, (k, i) => {
    if (k === NONE) return -1;
    const row = (Math.floor(i / c.PW) % c.PH) * c.PKH + Math.floor(k / c.PKW);
    return row * c.OW + (i % c.PW) * c.PKW + (k % c.PKW);
  });
  const dx = floats(dy, c.N * c.O * c.OH * c.OW);
  maxPool2dBackwardOp.cpu({ dy, indices, dx }, poolConstants(c));
  return dx;
}

/** Floats as wide as those of `like`. */
function floats(like: Data, length: number): Data {
  return like instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
}
