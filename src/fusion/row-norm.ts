/**
 * Fusions of row norms with the residual connections around them: the sum that is normalised, and the gradient that is added to
 * that of the norm's input.
 */
import type { Rewrite } from "../graph/graph.ts";
import { sameShape } from "../graph/spec.ts";
import type { GraphView, Tensor } from "../graph/tensor.ts";
import { addOp } from "../ops/elementwise/arithmetic.ts";
import {
  type RowNormAttrs,
  type RowNormBackwardAttrs,
  rowNormBackwardOp,
  rowNormOp,
} from "../ops/norm/row-norm.ts";

/** x + r before a row norm becomes part of it; other nodes may read the sum, too. r may be broadcast along x's first axes. */
export const fuseAddedRows: Rewrite = (graph) => {
  const replaced = new Map<Tensor, Tensor>();
  const isBefore = beforeIn(graph);
  for (const node of graph.nodes) {
    const [sum, w, b, added] = node.inputs;
    if (node.op !== rowNormOp || added !== undefined || sum?.node.op !== addOp || replaced.has(sum)) continue;
    const attrs = node.attrs as RowNormAttrs;
    const [x, r] = sum.node.inputs.toSorted((a, b) => b.size - a.size) as [Tensor, Tensor];
    const repeats = sameShape(r.shape, sum.shape.slice(sum.rank - r.rank)) && r.size % attrs.size === 0;
    // The weights must be computed before the sum is, or nodes could depend on each other in a cycle.
    if (!sameShape(x.shape, sum.shape) || !repeats || !isBefore([w!, b!], sum)) continue;
    const [y, stats, fusedSum] = rowNormOp.apply([x, w!, b!, r], attrs, node.label);
    replaced.set(node.outputs[0]!, y!).set(node.outputs[1]!, stats!).set(sum, fusedSum!);
  }
  return replaced;
};

/** dx of a row norm plus another gradient, where nothing else reads dx, becomes part of computing dx. */
export const fuseAddedGradients: Rewrite = (graph) => {
  const replaced = new Map<Tensor, Tensor>();
  const isBefore = beforeIn(graph);
  for (const node of graph.nodes) {
    if (node.op !== rowNormBackwardOp || node.inputs.length > 4) continue;
    const dx = node.outputs[0]!;
    const [user, ...more] = graph.users(dx);
    if (user?.op !== addOp || more.length > 0 || graph.isOutput(dx)) continue;
    const total = user.outputs[0]!;
    const other = user.inputs.find((t) => t !== dx);
    if (other === undefined || !sameShape(other.shape, dx.shape) || !isBefore([other], dx)) continue;
    const fused = rowNormBackwardOp.apply(
      [...node.inputs, other],
      node.attrs as RowNormBackwardAttrs,
      node.label,
    );
    [total, ...node.outputs.slice(1)].forEach((t, i) => {
      replaced.set(t, fused[i]!);
    });
  }
  return replaced;
};

/** Tells whether tensors are computed before another one is. */
function beforeIn(graph: GraphView): (tensors: readonly Tensor[], than: Tensor) => boolean {
  const position = new Map(graph.nodes.map((n, i) => [n, i]));
  const at = ({ node }: Tensor): number =>
    node.op.view === undefined ? (position.get(node) ?? -1) : Math.max(...node.inputs.map(at));
  return (tensors, than) => tensors.every((t) => at(t) < at(than));
}
