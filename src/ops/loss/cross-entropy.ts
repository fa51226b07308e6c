/**
 * Cross-entropy of softmax(logits) with labels, weighted per sample, together with its gradient, the number of correct
 * answers and the number of samples that count: what a training step needs of a batch, in one dispatch.
 * A GPU can't throw on a label outside 0…C-1 that is not ignored: such a label makes the loss and its row of the gradient NaN.
 */

import { type DefinedOp, defineOp, expectSpec, expectTensor, shapeError } from "../../graph/op.ts";
import { formatShape, sameShape, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { crossEntropyKernels } from "../../kernels/loss/cross-entropy.ts";
import { GraphError, ValueError } from "../../validation/errors.ts";
import { add, div, mul } from "../elementwise/arithmetic.ts";
import { isOne } from "../elementwise/fill.ts";
import { softmax, softmaxBackwardOp } from "../reduce/softmax.ts";
import { expand } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";
import {
  type ClassLoss,
  CROSS_ENTROPY,
  type CrossEntropyOptions,
  checkIgnoreIndex,
  generalClassLoss,
  isPlain,
  NLL,
  type NllOptions,
} from "./class-loss.ts";
import { classTargets, IGNORED } from "./class-targets.ts";
import { lossOptions } from "./loss-reduction.ts";

interface Attrs {
  /** Default IGNORED. */
  readonly ignoreIndex?: number | undefined;
  /** Rows in a row that share a weight. Default 1. */
  readonly rowsPerWeight?: number;
}

/** (logits [N, C], labels i32 [N], weights? f32 [N / rowsPerWeight]) -> loss [], correct [], count [], dlogits [N, C]. */
export const crossEntropyOp = define("crossEntropy", "logits", false);

/** The same of log-probabilities: l = -logProbs[label]. */
export const nllOp = define("nll", "logProbs", true);

// @__NO_SIDE_EFFECTS__
function define(name: string, rowsName: string, logProbs: boolean): DefinedOp<Attrs> {
  return defineOp({
    name,
    args: ["logits", "labels", "weights"],
    results: ["loss", "correct", "count", "dlogits"],
    variants: ["single", "rows", "wide"],
    plan(inputs, { ignoreIndex = IGNORED, rowsPerWeight = 1 }: Attrs) {
      const [logits, labels, weights] = inputs;
      const { shape } = expectSpec(name, rowsName, logits, 2);
      const [N, C] = shape as [number, number];
      const rows = [
        expectSpec(name, "labels", labels, 1, "i32").shape[0]!,
        ...(weights === undefined ? [] : [expectSpec(name, "weights", weights, 1).shape[0]! * rowsPerWeight]),
      ];
      if (rows.some((n) => n !== N)) {
        throw shapeError(name, `labels and weights must have one value for each of ${N} rows`, inputs);
      }
      const scalar = { shape: [], dtype: "f32" } as const;
      return {
        outputs: [scalar, scalar, scalar, { shape, dtype: "f32" }],
        constants: { N, C, ignoreIndex, weighted: weights !== undefined, rowsPerWeight, logProbs },
      };
    },
    cpu(tensors, { N, C, ignoreIndex, weighted, rowsPerWeight }) {
      const { logits, labels, weights, loss, correct, count, dlogits } = tensors;
      const given = (n: number) => (weighted ? weights[Math.floor(n / rowsPerWeight)]! : 1);
      const weight = (n: number) => (labels[n] === ignoreIndex ? 0 : given(n));
      let total = 0;
      for (let n = 0; n < N; n++) total += weight(n);
      let lossSum = 0;
      let correctSum = 0;
      dlogits.fill(0);
      for (let n = 0; n < N; n++) {
        const w = weight(n);
        if (w === 0) continue;
        const row = Array.from(logits.subarray(n * C, (n + 1) * C));
        const label = labels[n]!;
        // Math.max gives NaN where there is one.
        const max = row.reduce((a, b) => Math.max(a, b));
        const exps = row.map((x) => Math.exp(x - max));
        const s = exps.reduce((a, b) => a + b);
        const known = label >= 0 && label < C;
        const l = logProbs ? -row[label]! : Math.log(s) + (max - row[label]!);
        lossSum += w * (known ? l : Number.NaN);
        const winner = Number.isNaN(max) ? row.findIndex(Number.isNaN) : row.indexOf(max);
        if (winner === label) correctSum += w;
        const scale = known ? (total === 0 ? 0 : w / total) : Number.NaN;
        for (let c = 0; c < C; c++) {
          dlogits[n * C + c] = ((logProbs ? 0 : exps[c]! / s) - (c === label ? 1 : 0)) * scale;
        }
      }
      loss[0] = total === 0 ? 0 : lossSum / total;
      correct[0] = correctSum;
      count[0] = total;
    },
    kernels: crossEntropyKernels,
    backward({ inputs, outputs, grads, needs, attrs }) {
      if (needs[2]) throw new GraphError(`${name}: weights have no gradient`);
      const [dlogits, dloss, second] = [outputs[3]!, grads[0], grads[3]];
      const first = dloss === undefined ? [] : [isOne(dloss) ? dlogits : mul(dlogits, dloss)];
      const throughDlogits =
        second === undefined || logProbs ? [] : [secondDerivative(inputs, attrs, outputs[2]!, second)];
      const parts = [...first, ...throughDlogits];
      return [parts.length === 2 ? add(parts[0]!, parts[1]!) : parts[0]];
    },
  });
}

/** d dlogits / d logits times `d`: per row w / count times the gradient of softmax. NaN when all weights are 0. */
function secondDerivative(
  [logits, labels, weights]: readonly Tensor[],
  { ignoreIndex, rowsPerWeight = 1 }: Attrs,
  count: Tensor,
  d: Tensor,
): Tensor {
  const given = {
    ...(weights && { weights: spread(weights, rowsPerWeight) }),
    ...(ignoreIndex !== undefined && { ignoreIndex }),
  };
  const { counts } = classTargets(logits!, labels!, given);
  const scaled = mul(d, div(reshape(counts, [counts.size, 1]), count));
  return softmaxBackwardOp.one([scaled, softmax(logits!)], { axis: 1 });
}

/** Weights [N] as [N · rows]. */
function spread(weights: Tensor, rows: number): Tensor {
  if (rows === 1) return weights;
  return reshape(expand(reshape(weights, [weights.size, 1]), [weights.size, rows]), [weights.size * rows]);
}

/**
 * Mean of -log softmax(logits)[label]: logits f32 [N, C] or [N, C, …], with `classAxis: -1` [N, …, C]; target labels i32 [N]
 * or [N, …], or probabilities of the logits' shape. `options` (or weights f32 [N] alone): sample weights, of which rows with 0 count for nothing, whatever
 * they hold; class weights, the ignored label (-100 unless given), label smoothing, other reductions. The mean is sum(w l) / sum(w), where w
 * includes the class weight of the label; it is 0 where nothing counts (PyTorch: NaN). Another label outside 0…C-1 makes
 * the loss NaN. No gradient for targets and weights. Throws ShapeError, ValueError.
 */
export function crossEntropy(
  logits: Tensor,
  target: Tensor,
  options?: Tensor | CrossEntropyOptions,
): ClassLoss {
  expectTensor("crossEntropy", "logits", logits);
  expectTensor("crossEntropy", "target", target);
  const { classAxis = 1, ...chosen } = lossOptions<CrossEntropyOptions>(
    "crossEntropy",
    options,
    CROSS_ENTROPY,
  );
  if (classAxis !== 1 && classAxis !== -1) {
    throw new ValueError(`crossEntropy: classAxis must be 1 or -1, got ${classAxis}`);
  }
  if (classAxis === -1 && logits.rank > 2) return classesLast(logits, target, chosen);
  if (!isPlain(logits, target, chosen))
    return generalClassLoss("crossEntropy", logits, target, chosen, false);
  return classLoss(crossEntropyOp, logits, target, chosen);
}

/** Cross-entropy of logits [N, …, C], each position being a row of its own. */
function classesLast(
  logits: Tensor,
  target: Tensor,
  { weights, ...options }: CrossEntropyOptions,
): ClassLoss {
  const outer = logits.shape.slice(0, -1);
  const C = logits.shape.at(-1)!;
  const [N, rows] = [outer[0]!, sizeOf(outer)];
  const expected = target.dtype === "f32" ? logits.shape : outer;
  if (!sameShape(target.shape, expected)) {
    const rule = `with classAxis -1 the target must have shape ${formatShape(expected)}`;
    throw shapeError("crossEntropy", rule, [logits, target]);
  }
  const perRow = weights !== undefined && sameShape(weights.shape, outer);
  if (weights !== undefined && !perRow && !sameShape(weights.shape, [N])) {
    const rule = `weights must have one value for each of ${N} samples, or shape ${formatShape(outer)}`;
    throw shapeError("crossEntropy", rule, [weights]);
  }
  const flat = target.dtype === "f32" ? [rows, C] : [rows];
  const [all, targets] = [reshape(logits, [rows, C]), reshape(target, flat)];
  if (weights !== undefined && !perRow && isPlain(all, targets, options))
    return classLoss(crossEntropyOp, all, targets, { ...options, weights }, rows / N);
  const result = crossEntropy(all, targets, {
    ...options,
    ...(weights && { weights: perRow ? reshape(weights, [rows]) : spread(weights, rows / N) }),
  });
  return options.reduction === "none" ? { ...result, loss: reshape(result.loss, outer) } : result;
}

/** `crossEntropy` of log-probabilities, as `logSoftmax` gives them: the weighted mean of -logProbs[label]. */
export function nll(logProbs: Tensor, labels: Tensor, options?: Tensor | NllOptions): ClassLoss {
  expectTensor("nll", "logProbs", logProbs);
  expectTensor("nll", "labels", labels);
  const chosen = lossOptions<NllOptions>("nll", options, NLL);
  if (!isPlain(logProbs, labels, chosen)) return generalClassLoss("nll", logProbs, labels, chosen, true);
  return classLoss(nllOp, logProbs, labels, chosen);
}

function classLoss(
  op: DefinedOp<Attrs>,
  rows: Tensor,
  labels: Tensor,
  options: NllOptions,
  rowsPerWeight = 1,
): ClassLoss {
  checkIgnoreIndex(op.name, options);
  const { weights, ignoreIndex } = options;
  const inputs = weights === undefined ? [rows, labels] : [rows, labels, weights];
  const [loss, correct, count] = op.apply(inputs, { ignoreIndex, rowsPerWeight });
  return { loss: loss as Tensor, correct: correct as Tensor, count: count as Tensor };
}
