/** Fusions of linear layers with what follows them (activation, sum), and of their gradients with what follows dx. */
import type { Graph, Rewrite } from "../graph/graph.ts";
import { sameShape } from "../graph/spec.ts";
import type { Node, Tensor } from "../graph/tensor.ts";
import { ACTIVATION, ADDED } from "../kernels/activation-codes.ts";
import { addOp } from "../ops/elementwise/arithmetic.ts";
import { ACTIVATED_INPUT } from "../ops/elementwise/gelu-silu.ts";
import { ACTIVATED } from "../ops/elementwise/relu-sigmoid-tanh.ts";
import {
  type LinearAttrs,
  type LinearBackwardAttrs,
  linearBackwardOp,
  linearOp,
} from "../ops/linalg/linear.ts";
import { reshape } from "../ops/shape/reshape.ts";

const activations = [
  ...ACTIVATED.map((a) => ({ ...a, saves: false })),
  ...ACTIVATED_INPUT.map((a) => ({ ...a, saves: true })),
];

/** What `t` is a reshape of, and whether nothing else reads the two or what lies between. */
function behindReshapes(graph: Graph, t: Tensor): { readonly made: Tensor; readonly alone: boolean } {
  const readOnce = (x: Tensor) => graph.users(x).length === 1 && !graph.isOutput(x);
  let made = t;
  let alone = readOnce(made);
  while (made.node.op.view === "reshape") {
    made = made.node.inputs[0]!;
    alone &&= readOnce(made);
  }
  return { made, alone };
}

const shapedLike = (x: Tensor, t: Tensor): Tensor => (sameShape(x.shape, t.shape) ? x : reshape(x, t.shape));

/**
 * The activation of a linear layer's result, reshaped or not, becomes part of it. Activations whose gradient needs their output
 * do where nothing else reads the value before; the others store that value, too, if something else reads it.
 */
export const fuseLinearActivations: Rewrite = (graph) => {
  const replaced = new Map<Tensor, Tensor>();
  for (const node of graph.nodes) {
    const activation = activations.find((a) => a.forward === node.op);
    if (activation === undefined) continue;
    const { made, alone } = behindReshapes(graph, node.inputs[0]!);
    const { op, inputs, attrs, label } = made.node;
    if (op !== linearOp || made.index !== 0 || replaced.has(made) || (!alone && !activation.saves)) continue;
    const before = attrs as LinearAttrs;
    if (before.activation !== ACTIVATION.none || before.residual) continue;
    const [y, z] = linearOp.apply(inputs, { activation: activation.code, saves: !alone }, label);
    replaced.set(node.outputs[0]!, shapedLike(y!, node.outputs[0]!));
    if (!alone) replaced.set(made, z!);
  }
  return replaced;
};

/** Whether `t` is computed from a result of `node`. */
function dependsOn(t: Tensor, node: Node, seen = new Set<Node>()): boolean {
  if (t.node === node) return true;
  // Nodes are made after those that they read.
  if (t.node.id < node.id || seen.has(t.node)) return false;
  seen.add(t.node);
  return t.node.inputs.some((x) => dependsOn(x, node, seen));
}

/** The sum of a tensor and a linear layer's y or dx, read by nothing else and of the same shape, becomes part of computing it. */
export const fuseResiduals: Rewrite = (graph) => {
  const replaced = new Map<Tensor, Tensor>();
  for (const node of graph.nodes) {
    const [sum] = node.outputs;
    if (node.op !== addOp || sum === undefined) continue;
    for (const [i, term] of node.inputs.entries()) {
      const other = node.inputs[1 - i]!;
      if (!sameShape(term.shape, sum.shape) || !sameShape(other.shape, sum.shape)) continue;
      if (addTo(graph, term, other, sum, replaced)) break;
    }
  }
  return replaced;
};

/** `sum` of `term` and `other` computed with `term`, if that is possible. */
function addTo(
  graph: Graph,
  term: Tensor,
  other: Tensor,
  sum: Tensor,
  replaced: Map<Tensor, Tensor>,
): boolean {
  const { made, alone } = behindReshapes(graph, term);
  const { op, inputs, attrs, label } = made.node;
  if (op === linearBackwardOp) return intoBackward(graph, sum, term, other, ADDED, replaced);
  if (op !== linearOp || made.index !== 0 || !alone || dependsOn(other, made.node)) return false;
  if ((attrs as LinearAttrs).residual) return false;
  const fused = linearOp.apply(
    [...inputs, shapedLike(other, made)],
    { ...(attrs as LinearAttrs), residual: true },
    label,
  );
  replaced.set(sum, shapedLike(fused[0]!, sum));
  replaced.set(made.node.outputs[1]!, fused[1]!);
  return true;
}

/** A derivative of the activation before a linear layer becomes part of its dx, where nothing else reads that. */
export const fuseActivationGradients: Rewrite = (graph) => {
  const replaced = new Map<Tensor, Tensor>();
  for (const node of graph.nodes) {
    const activation = activations.find((a) => a.backward === node.op);
    const [dx, saved] = node.inputs;
    if (activation === undefined || dx === undefined || saved === undefined) continue;
    intoBackward(graph, node.outputs[0]!, dx, saved, activation.code, replaced);
  }
  return replaced;
};

/** `result`, made of a linear layer's dx and of `extra`, computed with dx, if that is possible. */
function intoBackward(
  graph: Graph,
  result: Tensor,
  dx: Tensor,
  extra: Tensor,
  kind: number,
  replaced: Map<Tensor, Tensor>,
): boolean {
  const { made, alone } = behindReshapes(graph, dx);
  const { op, inputs, attrs, label, outputs } = made.node;
  if (op !== linearBackwardOp || !alone || made.index !== 0 || inputs.length > 3) return false;
  if (dependsOn(extra, made.node)) return false;
  const fused = linearBackwardOp.apply(
    [...inputs, shapedLike(extra, made)],
    { ...(attrs as LinearBackwardAttrs), extra: kind },
    label,
  );
  replaced.set(result, shapedLike(fused[0]!, result));
  for (const i of [1, 2]) replaced.set(outputs[i]!, fused[i]!);
  return true;
}
