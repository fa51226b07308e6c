/** Losses of distances between embeddings: cosineEmbedding of pairs, tripletMargin, and contrastive (NT-Xent) of a batch. */

import { expectSpec, expectTensor, shapeError } from "../../graph/op.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { add, div, mul, sub } from "../elementwise/arithmetic.ts";
import { cast } from "../elementwise/cast.ts";
import { eq, maximum, minimum, ne, where } from "../elementwise/compare.ts";
import { detach } from "../elementwise/detach.ts";
import { clamp, rsqrt } from "../elementwise/math.ts";
import { matmul } from "../linalg/matmul.ts";
import { norm } from "../reduce/norm.ts";
import { logSumExp } from "../reduce/reduce.ts";
import { sum } from "../reduce/sum.ts";
import { concat } from "../shape/concat.ts";
import { reshape } from "../shape/reshape.ts";
import { expectAlike, LOSS, type LossOptions, sampleLoss } from "./loss-reduction.ts";

/** Throws ShapeError unless the tensors are f32 of one shape [N, D]. */
function expectRows(who: string, named: Readonly<Record<string, Tensor>>): readonly [N: number, D: number] {
  expectAlike(who, named);
  const [first] = Object.values(named) as [Tensor];
  if (first.rank !== 2) throw shapeError(who, `${Object.keys(named).join(" and ")} must be [N, D]`, [first]);
  return first.shape as unknown as readonly [number, number];
}

function expectFinite(who: string, numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers))
    if (!Number.isFinite(value)) throw new ValueError(`${who}: ${name} must be finite, got ${value}`);
}

export interface CosineEmbeddingOptions extends LossOptions {
  /** Cosine up to which pairs of target -1 cost nothing. Default 0. */
  readonly margin?: number;
}

/**
 * 1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1, 0 for another number, of rows x1, x2
 * [N, D] and target [N], f32 or i32, which has no gradient; reduced over samples. torch.nn.functional.cosine_embedding_loss.
 * Throws ShapeError, ValueError.
 */
export function cosineEmbedding(
  x1: Tensor,
  x2: Tensor,
  target: Tensor,
  options: CosineEmbeddingOptions = {},
): Tensor {
  const who = "cosineEmbedding";
  const { margin = 0, ...others } = checkOptions(who, options, { ...LOSS, margin: "number" });
  expectFinite(who, { margin });
  const [N] = expectRows(who, { x1, x2 });
  expectTensor(who, "target", target);
  const signs = target.dtype === "i32" ? cast(target, "f32") : target;
  if (expectSpec(who, "target", signs, 1).shape[0] !== N)
    throw shapeError(who, `target must have one value for each of ${N} samples`, [x1, target]);
  return sampleLoss(who, [x1, x2, signs] as const, others, (a, b, t) => {
    const product = (u: Tensor, v: Tensor) => sum(mul(u, v), { axes: 1 });
    const scale = (u: Tensor) => rsqrt(add(product(u, u), 1e-12));
    const cosine = mul(product(a, b), mul(scale(a), scale(b)));
    // NaN, and only NaN, differs from itself.
    const neither = where(eq(t, t), 0, detach(t));
    return where(eq(t, 1), sub(1, cosine), where(eq(t, -1), clamp(sub(cosine, margin), 0), neither));
  });
}

export interface TripletMarginOptions extends LossOptions {
  /** Default 1. */
  readonly margin?: number;
  /** Norm of the distance: 1, 2 (default) or Infinity. */
  readonly p?: 1 | 2 | typeof Number.POSITIVE_INFINITY;
  /** Added to each difference. Default 1e-6. */
  readonly eps?: number;
  /** Uses the distance from positive to negative where that is smaller than from the anchor (Balntas et al., 2016). Default false. */
  readonly swap?: boolean;
}

/**
 * max(0, d(anchor, positive) - d(anchor, negative) + margin) of rows [N, D], d being the distance by the p-norm; reduced over
 * samples. torch.nn.functional.triplet_margin_loss. Throws ShapeError, ValueError.
 */
export function tripletMargin(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletMarginOptions = {},
): Tensor {
  const who = "tripletMargin";
  const kinds = { ...LOSS, margin: "number", p: "any", eps: "number", swap: "boolean" } as const;
  const { margin = 1, p = 2, eps = 1e-6, swap = false, ...others } = checkOptions(who, options, kinds);
  expectFinite(who, { margin, eps });
  if (![1, 2, Number.POSITIVE_INFINITY].includes(p))
    throw new ValueError(`${who}: p must be 1, 2 or Infinity, got ${p}`);
  expectRows(who, { anchor, positive, negative });
  const distance = (u: Tensor, v: Tensor) => norm(add(sub(u, v), eps), { axes: 1, p });
  return sampleLoss(who, [anchor, positive, negative] as const, others, (a, near, far) => {
    const other = swap ? minimum(distance(a, far), distance(near, far)) : distance(a, far);
    return clamp(add(sub(distance(a, near), other), margin), 0);
  });
}

export interface ContrastiveOptions extends LossOptions {
  /** Cosines are divided by it; above 0. Default 0.5. */
  readonly temperature?: number;
}

/** Stands for a similarity of nothing: its exponential is 0 beside any real one. */
const NONE = -1e38;

/**
 * NT-Xent, the loss of SimCLR (Chen et al., 2020): rows n of x1 and x2 [N, D] are embeddings of two views of sample n. Among
 * the 2 N - 1 other rows of both, each row's own counterpart is to have the largest cosine / temperature, by cross-entropy; a
 * sample's loss is the mean of its two rows. Samples of weight 0 are nobody's counterpart. Reduced over samples. Takes 4 N²
 * numbers. Throws ShapeError, ValueError.
 */
export function contrastive(x1: Tensor, x2: Tensor, options: ContrastiveOptions = {}): Tensor {
  const who = "contrastive";
  const { temperature = 0.5, ...others } = checkOptions(who, options, { ...LOSS, temperature: "number" });
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw new ValueError(`${who}: temperature must be above 0, got ${temperature}`);
  const [N] = expectRows(who, { x1, x2 });
  const { weights } = others;
  return sampleLoss(who, [x1, x2] as const, others, (a, b) => {
    const unit = (u: Tensor) => div(u, maximum(norm(u, { axes: 1, keepDims: true }), 1e-12));
    const [ua, ub] = [unit(a), unit(b)];
    const rows = concat([ua, ub]);
    const cosines = mul(matmul(rows, rows, { transposeB: true }), 1 / temperature);
    const numbers = constant(Float32Array.from({ length: 2 * N }, (_, i) => i));
    const isOther = ne(reshape(numbers, [2 * N, 1]), numbers);
    const counts = weights && ne(concat([weights, weights]), 0);
    const allowed = counts ? mul(isOther, counts) : isOther;
    const both = reshape(logSumExp(where(allowed, cosines, NONE), { axes: 1 }), [2, N]);
    const own = mul(sum(mul(ua, ub), { axes: 1 }), 1 / temperature);
    return sub(mul(sum(both, { axes: 0 }), 0.5), own);
  });
}
