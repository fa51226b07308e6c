/** Losses of masks of 0 and 1, one per class, as in segmentation and detection: focal of logits, and dice of probabilities. */

import { shapeError } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { add, div, mul, neg, square, sub } from "../elementwise/arithmetic.ts";
import { sigmoid } from "../elementwise/relu-sigmoid-tanh.ts";
import { sum } from "../reduce/sum.ts";
import { checkGamma, focus } from "./class-loss.ts";
import { bceWithLogitsItem } from "./element-losses.ts";
import { elementLoss, expectAlike, LOSS, type LossOptions, sampleLoss } from "./loss-reduction.ts";

export interface SigmoidFocalOptions extends LossOptions {
  /** Weight of targets of 1, in [0, 1]; those of 0 have 1 - alpha. -1: both have 1. Default 0.25. */
  readonly alpha?: number;
  /** How much elements count less that are predicted well: power of 1 - p, at least 0. Default 2. */
  readonly gamma?: number;
}

/**
 * `bceWithLogits` times (1 - p)^gamma, p being the probability of the target, and times alpha (Lin et al., 2017). x are logits,
 * target 0, 1 or between, of one shape [N, …]. torchvision.ops.sigmoid_focal_loss, but the default reduction is the mean.
 */
export function sigmoidFocal(x: Tensor, target: Tensor, options: SigmoidFocalOptions = {}): Tensor {
  const kinds = { ...LOSS, alpha: "number", gamma: "number" } as const;
  const { alpha = 0.25, gamma = 2, ...others } = checkOptions("sigmoidFocal", options, kinds);
  checkGamma("sigmoidFocal", gamma);
  if (!(alpha === -1 || (alpha >= 0 && alpha <= 1)))
    throw new ValueError(`sigmoidFocal: alpha must be in [0, 1], or -1 for none, got ${alpha}`);
  return elementLoss("sigmoidFocal", x, target, others, (a, t) => {
    const entropy = bceWithLogitsItem(a, t);
    // 1 - p, from two small numbers where p is almost 1.
    const wrong = add(mul(sigmoid(a), sub(1, t)), mul(sigmoid(neg(a)), t));
    const items = gamma === 0 ? entropy : mul(entropy, focus(wrong, gamma));
    return alpha === -1 ? items : mul(items, add(mul(t, 2 * alpha - 1), 1 - alpha));
  });
}

export interface DiceOptions extends LossOptions {
  /** Added to both sides of the fraction, above 0, so that empty masks cost nothing. Default 1e-5. */
  readonly smooth?: number;
  /** Squares in the denominator (Milletari et al., 2016). Default false. */
  readonly squared?: boolean;
}

/**
 * 1 - (2 Σ x t + smooth) / (Σ x + Σ t + smooth) of probabilities x and targets t in [0, 1], of one shape: [N, C, …] with sums
 * over the positions of each sample and channel, or [N, D] with sums over D. Reduced over samples and channels; `none` gives
 * [N, C] or [N]. Apply sigmoid or softmax before. As MONAI's DiceLoss. Throws ShapeError, ValueError.
 */
export function dice(x: Tensor, target: Tensor, options: DiceOptions = {}): Tensor {
  const kinds = { ...LOSS, smooth: "number", squared: "boolean" } as const;
  const { smooth = 1e-5, squared = false, ...others } = checkOptions("dice", options, kinds);
  if (!(smooth > 0 && Number.isFinite(smooth)))
    throw new ValueError(`dice: smooth must be above 0, got ${smooth}`);
  expectAlike("dice", { x, target });
  if (x.rank < 2) throw shapeError("dice", "needs [N, C, …] or [N, D]", [x]);
  const axes = x.rank === 2 ? [1] : x.shape.flatMap((_, axis) => (axis < 2 ? [] : [axis]));
  const size = (v: Tensor) => sum(squared ? square(v) : v, { axes });
  return sampleLoss("dice", [x, target] as const, others, (a, t) => {
    const common = sum(mul(a, t), { axes });
    return sub(1, div(add(mul(common, 2), smooth), add(add(size(a), size(t)), smooth)));
  });
}
