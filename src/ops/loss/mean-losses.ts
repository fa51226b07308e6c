/**
 * Losses that are a weighted mean over elements, each with its gradient in the same dispatch: squared difference, binary
 * cross-entropy of probabilities or of logits. Losses over classes are in cross-entropy.ts, composed ones in element-losses.ts.
 */

import { broadcastShape } from "../../geometry/broadcast.ts";
import { type DefinedOp, defineOp, shapeError } from "../../graph/op.ts";
import { sameShape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { meanLossKernels } from "../../kernels/loss/mean-losses.ts";
import { GraphError } from "../../validation/errors.ts";
import { add, div, mul, neg, square, sub } from "../elementwise/arithmetic.ts";
import { isOne } from "../elementwise/fill.ts";
import { sigmoid, sigmoidBackwardOp } from "../elementwise/relu-sigmoid-tanh.ts";
import { reshape } from "../shape/reshape.ts";
import {
  bceDerivativeOf,
  bceItemOp,
  bceOf,
  bceSecondDerivative,
  bceWithLogitsItem,
} from "./element-losses.ts";
import {
  elementLoss,
  LOSS,
  type LossOptions,
  type LossOptionsOrWeights,
  lossOptions,
} from "./loss-reduction.ts";

type None = Record<string, never>;

interface MeanLoss {
  readonly name: string;
  /** Number of the formula in mean-losses.wgsl. */
  readonly kind: number;
  /** Loss of one element, and its derivative with respect to x. */
  item(x: number, t: number): readonly [loss: number, derivative: number];
  /** The second derivative with respect to x, element by element, times `d`. */
  secondDerivative(x: Tensor, d: Tensor, t: Tensor): Tensor;
  /** True where the derivative with respect to the target is minus that with respect to x. */
  readonly odd: boolean;
}

/** (x, target, weights? [N]) -> loss [], count [], dx like x. */
export const mseOp = define({
  name: "mse",
  kind: 0,
  item: (x, t) => [(x - t) ** 2, 2 * (x - t)],
  secondDerivative: (_, d) => mul(d, 2),
  odd: true,
});

export const bceOp = define({
  name: "bce",
  kind: 1,
  item: (x, t) => [bceOf(x, t), bceDerivativeOf(x, t)],
  secondDerivative: (x, d, t) => bceSecondDerivative(x, t, d),
  odd: false,
});

export const bceWithLogitsOp = define({
  name: "bceWithLogits",
  kind: 2,
  item: (x, t) => [Math.max(x, 0) - x * t + Math.log1p(Math.exp(-Math.abs(x))), 1 / (1 + Math.exp(-x)) - t],
  secondDerivative: (x, d) => sigmoidBackwardOp.one([d, sigmoid(x)], {}),
  odd: false,
});

// @__NO_SIDE_EFFECTS__
function define({ name, kind, item, secondDerivative, odd }: MeanLoss): DefinedOp<None> {
  return defineOp({
    name,
    args: ["x", "target", "weights"],
    results: ["loss", "count", "dx"],
    variants: ["single", "parts"],
    plan(inputs, _attrs: None) {
      const [x, target, weights] = inputs;
      if (inputs.length < 2 || inputs.some((s) => s.dtype !== "f32")) {
        throw shapeError(name, "takes x, target and maybe weights, all f32", inputs);
      }
      if (!sameShape(x!.shape, target!.shape))
        throw shapeError(name, "x and target must have one shape", inputs);
      const N = x!.shape[0] ?? 1;
      if (weights !== undefined && !sameShape(weights.shape, [N])) {
        throw shapeError(name, `weights must have one value for each of ${N} samples`, inputs);
      }
      const scalar = { shape: [], dtype: "f32" } as const;
      return {
        outputs: [scalar, scalar, { shape: x!.shape, dtype: "f32" }],
        constants: { N, ROW: sizeOf(x!.shape) / N, KIND: kind, weighted: weights !== undefined },
      };
    },
    cpu({ x, target, weights, loss, count, dx }, { N, ROW, weighted }) {
      const weight = (n: number) => (weighted ? weights[n]! : 1);
      let total = 0;
      for (let n = 0; n < N; n++) total += weight(n);
      let sum = 0;
      for (let i = 0; i < N * ROW; i++) {
        const w = weight(Math.floor(i / ROW));
        const [l, d] = item(x[i]!, target[i]!);
        if (w !== 0) sum += w * l;
        dx[i] = w === 0 || total === 0 ? 0 : (w * d) / (total * ROW);
      }
      loss[0] = total === 0 ? 0 : sum / (total * ROW);
      count[0] = total;
    },
    kernels: meanLossKernels,
    backward({ inputs, outputs, grads, needs }) {
      const [dx, dloss, second] = [outputs[2]!, grads[0], grads[2]];
      if (needs[2]) throw new GraphError(`${name}: weights have no gradient`);
      if (needs[1] && !odd) throw new GraphError(`${name}: the target has no gradient`);
      const parts: Tensor[] = [];
      if (dloss !== undefined) parts.push(isOne(dloss) ? dx : mul(dx, dloss));
      if (second !== undefined)
        parts.push(secondDerivative(inputs[0]!, scaled(inputs, outputs[1]!, second), inputs[1]!));
      const gradient = parts.length === 2 ? add(parts[0]!, parts[1]!) : parts[0];
      return [gradient, needs[1] && gradient !== undefined ? neg(gradient) : undefined];
    },
  });
}

/** `d` times w / (ROW count), the weight of an element in the mean. NaN when all weights are 0. */
function scaled([x, , weights]: readonly Tensor[], count: Tensor, d: Tensor): Tensor {
  if (weights === undefined) return mul(d, 1 / x!.size);
  const [N = 1, ...rest] = x!.shape;
  const share = div(reshape(weights, [N, ...rest.map(() => 1)]), mul(count, sizeOf(rest)));
  return mul(d, share);
}

/** The mean as one op; other reductions composed from the losses of single elements. */
function loss(
  op: DefinedOp<None>,
  x: Tensor,
  target: Tensor,
  options: LossOptions,
  item: (x: Tensor, target: Tensor) => Tensor,
): Tensor {
  const { weights, reduction = "mean" } = options;
  const perPosition = weights !== undefined && weights.rank !== 1;
  if (reduction !== "mean" || perPosition) return elementLoss(op.name, x, target, options, item);
  return op.one(weights === undefined ? [x, target] : [x, target, weights], {});
}

/**
 * (x - target)² reduced as `options` say, default their mean: f32 tensors of one shape -> f32 []. `weights` f32 [N] weighs
 * samples, which the first axis counts, `[N, …]` positions of the first axes; the mean is over those that weigh something, 0 if none does. No gradient for
 * weights. Throws ShapeError on other shapes.
 */
export function mse(x: Tensor, target: Tensor, options?: LossOptionsOrWeights): Tensor {
  return loss(mseOp, x, target, lossOptions("mse", options, LOSS), (a, t) => square(sub(a, t)));
}

/**
 * -(t log x + (1 - t) log(1 - x)) for probabilities x in [0, 1], logs being at least -100 as in PyTorch; otherwise as
 * `mse`. Another x makes loss and gradient NaN (PyTorch throws, which a GPU can't). No gradient for target and no second
 * derivative. Prefer `bceWithLogits`, which loses no precision.
 */
export function bce(x: Tensor, target: Tensor, options?: LossOptionsOrWeights): Tensor {
  return loss(bceOp, x, target, lossOptions("bce", options, LOSS), (a, t) => bceItemOp.one([a, t], {}));
}

export interface BceWithLogitsOptions extends LossOptions {
  /** Weight of the positive part, t log sigmoid(x): any shape that broadcasts to x, one value per class as a rule. */
  readonly posWeight?: Tensor;
}

/**
 * `bce` of sigmoid(x), in a form that neither overflows nor loses small probabilities. The target has a gradient only
 * with `posWeight` or another reduction than the mean.
 */
export function bceWithLogits(x: Tensor, target: Tensor, options?: Tensor | BceWithLogitsOptions): Tensor {
  const kinds = { ...LOSS, posWeight: "tensor" } as const;
  const { posWeight, ...chosen } = lossOptions<BceWithLogitsOptions>("bceWithLogits", options, kinds);
  const item = (a: Tensor, t: Tensor) => bceWithLogitsItem(a, t, posWeight);
  if (posWeight === undefined) return loss(bceWithLogitsOp, x, target, chosen, item);
  if (!sameShape(broadcastShape("bceWithLogits", [x, posWeight]), x.shape)) {
    throw shapeError("bceWithLogits", "posWeight must broadcast to x", [x, posWeight]);
  }
  return elementLoss("bceWithLogits", x, target, chosen, item);
}
