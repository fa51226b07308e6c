/**
 * Reductions of losses of single elements: mean, sum or none, with samples weighted. A sample of weight 0 counts for nothing,
 * whatever it holds: its elements are replaced before anything is computed.
 */

import { expectSpec, expectTensor, shapeError } from "../../graph/op.ts";
import { formatShape, type Shape, sameShape } from "../../graph/spec.ts";
import { Tensor } from "../../graph/tensor.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import { div, mul } from "../elementwise/arithmetic.ts";
import { eq, ne, where } from "../elementwise/compare.ts";
import { mean, sum } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";

export type Reduction = "mean" | "sum" | "none";

export interface LossOptions {
  /** f32 [N]: weight of each sample, the first axis being samples. Default all 1. No gradient. */
  readonly weights?: Tensor;
  /**
   * `mean` (default): sum(w l) / sum(w), over the elements of samples whose weight is not 0; 0 if there is none. `sum`: of
   * w l. `none`: w l, element by element.
   */
  readonly reduction?: Reduction;
}

export const LOSS = { weights: "tensor", reduction: "string" } as const satisfies OptionKinds<LossOptions>;

/** What losses take as options: weights alone, or options. */
export type LossOptionsOrWeights = Tensor | LossOptions | undefined;

/** Checks the options of a loss; weights alone become options. */
export function lossOptions<O extends LossOptions>(
  who: string,
  given: Tensor | O | undefined,
  kinds: OptionKinds<O>,
): O {
  return checkOptions(who, given instanceof Tensor ? ({ weights: given } as unknown as O) : given, kinds);
}

/** Refuses what is not a reduction. */
export function checkReduction(who: string, reduction: string, known: readonly string[] = KNOWN): void {
  if (!known.includes(reduction)) {
    throw new ValueError(`${who}: reduction must be one of ${known.join(", ")}, got ${reduction}`);
  }
}

const KNOWN: readonly Reduction[] = ["mean", "sum", "none"];

/**
 * Loss of x and target of one shape [N, …]; `item` computes the loss of each element. Throws ShapeError where shapes, dtypes or
 * weights do not match.
 */
export function elementLoss(
  who: string,
  x: Tensor,
  target: Tensor,
  options: LossOptions,
  item: (x: Tensor, target: Tensor) => Tensor,
): Tensor {
  expectAlike(who, { x, target });
  return sampleLoss(who, [x, target], options, item);
}

/** Throws ShapeError unless the tensors, given by name, are f32 of one shape. */
export function expectAlike(who: string, named: Readonly<Record<string, Tensor>>): void {
  const tensors = Object.values(named);
  for (const [name, t] of Object.entries(named)) expectTensor(who, name, t);
  if (tensors.some((t) => t.dtype !== "f32")) throw shapeError(who, "inputs must be f32", tensors);
  if (tensors.some((t) => !sameShape(t.shape, tensors[0]!.shape)))
    throw shapeError(who, `${Object.keys(named).join(" and ")} must have one shape`, tensors);
}

/** Loss of tensors whose first axis counts the N samples; `item` computes the losses [N, …] that are reduced. */
export function sampleLoss<T extends readonly Tensor[]>(
  who: string,
  tensors: T,
  options: LossOptions,
  item: (...tensors: T) => Tensor,
): Tensor {
  const { weights, reduction = "mean" } = options;
  checkReduction(who, reduction);
  if (weights === undefined) return reduced(item(...tensors), reduction);
  const factors: { readonly w: Tensor; readonly counts: Tensor }[] = [];
  /** By rank. */
  const factor = ({ shape }: Tensor) => {
    const known = factors[shape.length];
    if (known !== undefined) return known;
    const w = perSample(who, weights, shape);
    factors[shape.length] = { w, counts: ne(w, 0) };
    return factors[shape.length]!;
  };
  const losses = item(...(tensors.map((t) => where(factor(t).counts, t, 0)) as readonly Tensor[] as T));
  const { w } = factor(losses);
  const items = mul(losses, w);
  return reduction === "mean"
    ? weightedMean(items, mul(sum(w), items.size / w.size))
    : reduced(items, reduction);
}

function reduced(items: Tensor, reduction: Reduction): Tensor {
  if (reduction === "none") return items;
  return reduction === "sum" ? sum(items) : mean(items);
}

/** sum(items) / total; 0 where the total is 0. */
export function weightedMean(items: Tensor, total: Tensor): Tensor {
  return div(sum(items), where(eq(total, 0), 1, total));
}

/** Weights [N], or [N, …] for the first axes of `shape`, as a tensor that broadcasts over it. */
export function perSample(who: string, weights: Tensor, shape: Shape): Tensor {
  const { rank } = weights;
  expectSpec(who, "weights", weights, rank);
  if (rank < 1 || !sameShape(weights.shape, shape.slice(0, rank))) {
    throw shapeError(
      who,
      `weights must have one value for each of ${shape[0] ?? 1} samples, or for each of their positions ${formatShape(shape)}`,
      [weights],
    );
  }
  return reshape(
    weights,
    shape.map((extent, axis) => (axis < rank ? extent : 1)),
  );
}
