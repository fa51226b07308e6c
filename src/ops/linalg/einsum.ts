/** Products of tensors made of matmul: outer products and Einstein sums of two operands. */

import { expectTensor, shapeError } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { ShapeError } from "../../validation/errors.ts";
import { mul } from "../elementwise/arithmetic.ts";
import { sum } from "../reduce/sum.ts";
import { reshape } from "../shape/reshape.ts";
import { permute } from "../shape/transpose.ts";
import { matmul } from "./matmul.ts";

/** a[i] b[j]: vectors [M] and [N] -> [M, N]. Throws ShapeError on other ranks. */
export function outer(a: Tensor, b: Tensor): Tensor {
  expectTensor("outer", "a", a);
  expectTensor("outer", "b", b);
  if (a.rank !== 1 || b.rank !== 1) throw shapeError("outer", "takes two vectors", [a, b]);
  return mul(reshape(a, [a.size, 1]), b);
}

/**
 * Einstein's sum of two operands: `einsum("bij,bjk->bik", a, b)`. A label of both operands that the result lacks is summed
 * over; without `->` the result has the labels that come once, in alphabetical order. Letters only: a label twice in one
 * operand and `...` are refused. Throws ShapeError.
 */
export function einsum(equation: string, a: Tensor, b: Tensor): Tensor {
  const match = /^\s*([a-zA-Z]*)\s*,\s*([a-zA-Z]*)\s*(?:->\s*([a-zA-Z]*)\s*)?$/.exec(equation);
  if (match === null) throw new ShapeError(`einsum: must be like "ij,jk->ik", got "${equation}"`);
  const [inA, inB] = [[...(match[1] as string)], [...(match[2] as string)]];
  const once = [...inA, ...inB].filter((l) => inA.includes(l) !== inB.includes(l)).sort();
  const out = match[3] === undefined ? once : [...match[3]];
  for (const labels of [inA, inB, out]) {
    if (new Set(labels).size !== labels.length) {
      throw new ShapeError(`einsum: ${labels.join("")} has a label twice, in "${equation}"`);
    }
  }
  if (inA.length !== a.rank || inB.length !== b.rank) {
    throw shapeError("einsum", `"${equation}" needs operands of rank ${inA.length} and ${inB.length}`, [
      a,
      b,
    ]);
  }
  const unknown = out.find((l) => !inA.includes(l) && !inB.includes(l));
  if (unknown !== undefined) throw new ShapeError(`einsum: no operand has ${unknown}, in "${equation}"`);
  const size = (l: string) => (inA.includes(l) ? a.shape[inA.indexOf(l)] : b.shape[inB.indexOf(l)]) as number;
  const clash = inA.find((l) => inB.includes(l) && a.shape[inA.indexOf(l)] !== b.shape[inB.indexOf(l)]);
  if (clash !== undefined) throw shapeError("einsum", `${clash} has two sizes in "${equation}"`, [a, b]);

  const both = inA.filter((l) => inB.includes(l));
  const batch = both.filter((l) => out.includes(l));
  const inner = both.filter((l) => !out.includes(l));
  const rows = inA.filter((l) => !both.includes(l) && out.includes(l));
  const columns = inB.filter((l) => !both.includes(l) && out.includes(l));
  const total = (labels: readonly string[]) => labels.reduce((n, l) => n * size(l), 1);
  const arranged = (t: Tensor, labels: readonly string[], groups: readonly (readonly string[])[]) => {
    // Labels of this operand alone that the result lacks are summed first.
    const order = groups.flat();
    const lost = labels.flatMap((l, axis) => (order.includes(l) ? [] : [axis]));
    const left = labels.filter((l) => order.includes(l));
    const less = lost.length === 0 ? t : sum(t, { axes: lost });
    return reshape(
      permute(
        less,
        order.map((l) => left.indexOf(l)),
      ),
      groups.map(total),
    );
  };
  const y = matmul(arranged(a, inA, [batch, rows, inner]), arranged(b, inB, [batch, inner, columns]));
  const made = [...batch, ...rows, ...columns];
  return permute(
    reshape(y, made.map(size)),
    out.map((l) => made.indexOf(l)),
  );
}
