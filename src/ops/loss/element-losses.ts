/**
 * Losses composed of element-wise ops, which fuse: absolute difference, Huber's two forms, Kullback-Leibler divergence,
 * hinge; and single elements of the losses in mean-losses.ts, for other reductions than the mean.
 */

import type { DefinedOp } from "../../graph/op.ts";
import { sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { literal } from "../../kernels/elementwise/group.ts";
import { specialFunctions } from "../../kernels/elementwise/wgsl-functions.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { softplusOp } from "../elementwise/activations.ts";
import { add, div, mul, neg, square, sub } from "../elementwise/arithmetic.ts";
import { eq, maximum, where } from "../elementwise/compare.ts";
import { abs, clamp, exp, log } from "../elementwise/math.ts";
import { definePointwise } from "../elementwise/pointwise.ts";
import { relu } from "../elementwise/relu-sigmoid-tanh.ts";
import {
  elementLoss,
  LOSS,
  type LossOptions,
  type LossOptionsOrWeights,
  lossOptions,
} from "./loss-reduction.ts";

/** d²/2 up to |d| = delta, the tangent beyond. */
export const huberItemOp = definePointwise<{ delta: number }>({
  name: "huberItem",
  args: ["d"],
  wgsl: ([d], { delta }) =>
    `select(${literal(delta)} * (abs(${d}) - 0.5 * ${literal(delta)}), 0.5 * ${d} * ${d}, abs(${d}) <= ${literal(delta)})`,
  scalar: ([d], { delta }) => (Math.abs(d!) <= delta ? 0.5 * d! * d! : delta * (Math.abs(d!) - 0.5 * delta)),
  backward: ({ inputs: [d], grads: [dy], attrs: { delta } }) => [mul(dy!, clamp(d!, -delta, delta))],
});

const clampedLogs = `fn clampedLogOf(v: f32) -> f32 { return select(max(log(v), -100.0), -100.0, v <= 0.0); }
fn bceItemOf(x: f32, t: f32) -> f32 {
  let l = -(t * clampedLogOf(x) + (1.0 - t) * clampedLogOf(1.0 - x));
  return select(nan(), l, isProbability(x));
}`;

/** Binary cross-entropy of a probability (logarithms clamped to at least -100) and its derivative; NaN outside [0, 1]. */
export function bceOf(x: number, t: number): number {
  return -(t * Math.max(Math.log(x), -100) + (1 - t) * Math.max(Math.log(1 - x), -100));
}

export function bceDerivativeOf(x: number, t: number): number {
  return x >= 0 && x <= 1 ? (x - t) / Math.max(x * (1 - x), 1e-12) : Number.NaN;
}

/** `bceOf`, element by element. */
export const bceItemOp = definePointwise<Record<string, never>>({
  name: "bceItem",
  args: ["x", "t"],
  functions: [specialFunctions, clampedLogs],
  wgsl: ([x, t]) => `bceItemOf(${x}, ${t})`,
  scalar: ([x, t]) => bceOf(x!, t!),
  backward: ({ inputs: [x, t], grads: [dy], needs }) => {
    if (needs[1]) throw new ValueError("bce: the target has no gradient");
    return [mul(dy!, bceDerivativeOp.one([x!, t!], {})), undefined];
  },
});

const bceDerivativeOp: DefinedOp<Record<string, never>> = definePointwise<Record<string, never>>({
  name: "bceDerivative",
  args: ["x", "t"],
  functions: [specialFunctions],
  wgsl: ([x, t]) => `select(nan(), (${x} - ${t}) / max(${x} * (1.0 - ${x}), 1e-12), isProbability(${x}))`,
  scalar: ([x, t]) => bceDerivativeOf(x!, t!),
  backward: ({ inputs: [x, t], grads: [dy] }) => [bceSecondDerivative(x!, t!, dy!), undefined],
});

/** The second derivative by x, (x² - 2 t x + t) / (x (1 - x))², times `d`; 0 where `d` is 0. */
export function bceSecondDerivative(x: Tensor, t: Tensor, d: Tensor): Tensor {
  const variance = maximum(mul(x, sub(1, x)), 1e-12);
  const second = div(add(square(x), mul(t, sub(1, mul(x, 2)))), square(variance));
  return where(eq(d, 0), 0, mul(d, second));
}

/** posWeight t softplus(-x) + (1 - t) softplus(x): nothing cancels. */
export function bceWithLogitsItem(x: Tensor, t: Tensor, posWeight?: Tensor): Tensor {
  const positive = mul(t, softplusOp.one([neg(x)], {}));
  const negative = mul(sub(1, t), softplusOp.one([x], {}));
  return add(posWeight === undefined ? positive : mul(positive, posWeight), negative);
}

/**
 * |x - target|, reduced as `options` say: f32 tensors of one shape [N, …]. The derivative at 0 is 0.
 * Throws ShapeError on other shapes, ValueError on another reduction. torch.nn.functional.l1_loss.
 */
export function l1(x: Tensor, target: Tensor, options?: LossOptionsOrWeights): Tensor {
  return elementLoss("l1", x, target, lossOptions("l1", options, LOSS), (a, b) => abs(sub(a, b)));
}

export interface HuberOptions extends LossOptions {
  /** Where the parabola ends and its tangent begins, above 0. Default 1. */
  readonly delta?: number;
}

/** (x - target)²/2 up to |x - target| = delta, then delta (|x - target| - delta/2); otherwise as `l1`. */
export function huber(x: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  const { delta = 1, ...others } = checkOptions("huber", options, { ...LOSS, delta: "number" });
  if (!(delta > 0 && Number.isFinite(delta)))
    throw new ValueError(`huber: delta must be above 0, got ${delta}`);
  return elementLoss("huber", x, target, others, (a, b) => huberItemOp.one([sub(a, b)], { delta }));
}

export interface SmoothL1Options extends LossOptions {
  /** Where the parabola ends, at least 0; at 0 this is `l1`. Default 1. */
  readonly beta?: number;
}

/** `huber` divided by its threshold `beta`, so that the derivative is ±1 beyond it. torch.nn.functional.smooth_l1_loss. */
export function smoothL1(x: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  const { beta = 1, ...others } = checkOptions("smoothL1", options, { ...LOSS, beta: "number" });
  if (!(beta >= 0 && Number.isFinite(beta)))
    throw new ValueError(`smoothL1: beta must be at least 0, got ${beta}`);
  return elementLoss("smoothL1", x, target, others, (a, b) =>
    beta === 0 ? abs(sub(a, b)) : mul(huberItemOp.one([sub(a, b)], { delta: beta }), 1 / beta),
  );
}

export interface KlDivOptions extends Omit<LossOptions, "reduction"> {
  /** `batchMean`: the sum of w l over the sum of w, which is the divergence; `mean` divides by a row's size too. */
  readonly reduction?: LossOptions["reduction"] | "batchMean";
  /** The target holds logarithms of probabilities. Default false. */
  readonly logTarget?: boolean;
}

/**
 * Kullback-Leibler divergence target (log target - x) of log-probabilities x, both [N, …]; 0 where the target is 0.
 * Default reduction `mean`, over all elements, as torch.nn.functional.kl_div has it.
 */
export function klDiv(x: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  const kinds = { ...LOSS, logTarget: "boolean" } as const;
  const { logTarget = false, reduction = "mean", weights } = checkOptions("klDiv", options, kinds);
  const perRow = reduction === "batchMean";
  const plain: LossOptions = {
    reduction: perRow ? "mean" : reduction,
    ...(weights === undefined ? {} : { weights }),
  };
  const loss = elementLoss("klDiv", x, target, plain, (a, t) =>
    logTarget ? mul(exp(t), sub(t, a)) : mul(t, sub(log(where(eq(t, 0), 1, t)), a)),
  );
  return perRow ? mul(loss, sizeOf(x.shape.slice(1))) : loss;
}

export interface HingeOptions extends LossOptions {
  /** Default 1. */
  readonly margin?: number;
}

/** max(0, margin - target x) for targets of -1 and 1, of one shape [N, …]; otherwise as `l1`. */
export function hinge(x: Tensor, target: Tensor, options: HingeOptions = {}): Tensor {
  const { margin = 1, ...others } = checkOptions("hinge", options, { ...LOSS, margin: "number" });
  if (!Number.isFinite(margin)) throw new ValueError(`hinge: margin must be a number, got ${margin}`);
  return elementLoss("hinge", x, target, others, (a, t) => relu(sub(margin, mul(a, t))));
}
