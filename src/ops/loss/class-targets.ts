/**
 * The targets of each row of a class loss: labels or probabilities made into smoothed, class-weighted targets, with the weights
 * of the rows and whether the largest logit is right. Has no gradient. A label outside 0…C-1 that is not ignored gives NaN.
 */

import { type DefinedOp, defineOp, expectSpec, shapeError } from "../../graph/op.ts";
import { sameShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { classTargetsKernels } from "../../kernels/loss/cross-entropy.ts";
import { GraphError } from "../../validation/errors.ts";
import { fill } from "../elementwise/fill.ts";

/** The label that PyTorch ignores by default. */
export const IGNORED = -100;

export interface ClassTargetsAttrs {
  readonly weighted: boolean;
  readonly classWeighted: boolean;
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
}

/** (logits [N, C], labels i32 [N] or f32 [N, C], weights [N], classWeights [C]) -> targets [N, C]; counts, norms, hits [N]. */
export const classTargetsOp: DefinedOp<ClassTargetsAttrs> = defineOp({
  name: "classTargets",
  args: ["logits", "labels", "weights", "classWeights"],
  results: ["targets", "counts", "norms", "hits"],
  plan(inputs, attrs: ClassTargetsAttrs) {
    const [logits, labels, weights, classWeights] = inputs;
    const { shape } = expectSpec("classTargets", "logits", logits, 2);
    const [N, C] = shape as [number, number];
    const soft = labels?.dtype === "f32";
    if (soft && !sameShape(labels.shape, shape)) {
      throw shapeError("classTargets", "probabilities must have the shape of the logits", inputs);
    }
    if (!soft && expectSpec("classTargets", "labels", labels, 1, "i32").shape[0] !== N) {
      throw shapeError("classTargets", `labels must have one value for each of ${N} rows`, inputs);
    }
    if (attrs.weighted && expectSpec("classTargets", "weights", weights, 1).shape[0] !== N) {
      throw shapeError("classTargets", `weights must have one value for each of ${N} rows`, inputs);
    }
    if (attrs.classWeighted && expectSpec("classTargets", "classWeights", classWeights, 1).shape[0] !== C) {
      throw shapeError("classTargets", `classWeights must have one value for each of ${C} classes`, inputs);
    }
    const { weighted, classWeighted, ignoreIndex, labelSmoothing } = attrs;
    return {
      outputs: [{ shape, dtype: "f32" }, ...[1, 2, 3].map(() => ({ shape: [N], dtype: "f32" }) as const)],
      constants: {
        N,
        C,
        soft,
        weighted,
        classWeighted,
        ignoreIndex,
        even: labelSmoothing / C,
        rest: 1 - labelSmoothing,
      },
    };
  },
  cpu({ logits, labels, weights, classWeights, targets, counts, norms, hits }, constants) {
    const { N, C, soft, weighted, classWeighted, ignoreIndex, even, rest } = constants;
    const largest = (row: readonly number[]) => {
      const nan = row.findIndex(Number.isNaN);
      return nan >= 0 ? nan : row.indexOf(Math.max(...row));
    };
    for (let n = 0; n < N; n++) {
      const at = n * C;
      const label = soft ? largest(Array.from(labels.subarray(at, at + C))) : labels[n]!;
      const w = weighted ? weights[n]! : 1;
      const used = w !== 0 && (soft || label !== ignoreIndex);
      const known = label >= 0 && label < C;
      const classWeight = (c: number) => (classWeighted ? classWeights[c]! : 1);
      for (let c = 0; c < C; c++) {
        const share = soft ? labels[at + c]! : known ? Number(c === label) : Number.NaN;
        targets[at + c] = used ? classWeight(c) * (even + rest * share) : 0;
      }
      const hit = largest(Array.from(logits.subarray(at, at + C))) === label;
      counts[n] = used ? w : 0;
      norms[n] = !used ? 0 : soft ? w : known ? w * classWeight(label) : Number.NaN;
      hits[n] = used && hit ? w : 0;
    }
  },
  kernels: classTargetsKernels,
  backward({ needs }) {
    if (needs.slice(1).some(Boolean)) {
      throw new GraphError("class losses: targets, weights and class weights have no gradient");
    }
    return [];
  },
});

export interface ClassTargets {
  /** [N, C]. */
  readonly targets: Tensor;
  /** [N]: weight of each row, 0 for ignored rows. */
  readonly counts: Tensor;
  /** [N]: `counts` times the class weight of the label. */
  readonly norms: Tensor;
  /** [N]: weight of each row whose largest logit is at the label, else 0. */
  readonly hits: Tensor;
}

/** Applies the op. A single 1 is bound for absent weights, which the kernel does not read. */
export function classTargets(
  logits: Tensor,
  target: Tensor,
  options: { weights?: Tensor; classWeights?: Tensor; ignoreIndex?: number; labelSmoothing?: number },
): ClassTargets {
  const { weights, classWeights, ignoreIndex = IGNORED, labelSmoothing = 0 } = options;
  const attrs = {
    weighted: weights !== undefined,
    classWeighted: classWeights !== undefined,
    ignoreIndex,
    labelSmoothing,
  };
  const inputs = [logits, target, weights ?? fill([1], 1), classWeights ?? fill([1], 1)];
  const made = classTargetsOp.apply(inputs, attrs);
  const [targets, counts, norms, hits] = made as readonly [Tensor, Tensor, Tensor, Tensor];
  return { targets, counts, norms, hits };
}
