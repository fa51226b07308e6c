/** Fusions of linear layers with the activation that follows, and of their gradients with the gradient of the activation before. */
import type { Rewrite } from "../graph/graph.ts";
import { sameShape } from "../graph/spec.ts";
import type { Tensor } from "../graph/tensor.ts";
import { ACTIVATION } from "../kernels/activation-codes.ts";
import { ACTIVATED } from "../ops/elementwise/relu-sigmoid-tanh.ts";
import {
  type LinearAttrs,
  type LinearBackwardAttrs,
  linearBackwardOp,
  linearOp,
} from "../ops/linalg/linear.ts";
import { reshape } from "../ops/shape/reshape.ts";

/**
 * relu, sigmoid or tanh of a linear layer becomes part of it where nothing else reads the value before: the gradients of
 * these activations need only their output.
 */
export const fuseLinearActivations: Rewrite = (graph) => {
  const replaced = new Map<Tensor, Tensor>();
  for (const node of graph.nodes) {
    const activation = ACTIVATED.find((a) => a.forward === node.op);
    const before = node.inputs[0];
    if (activation === undefined || before === undefined || before.node.op !== linearOp) continue;
    if (graph.users(before).length > 1 || graph.isOutput(before)) continue;
    const { inputs, attrs, label } = before.node;
    if ((attrs as LinearAttrs).activation !== ACTIVATION.none) continue;
    replaced.set(node.outputs[0]!, linearOp.one(inputs, { activation: activation.code }, label));
  }
  return replaced;
};

/**
 * The gradient of an activation that is applied to a linear layer's dx, where nothing else reads that, becomes part of
 * computing dx. Reshapes between the two don't matter.
 */
export const fuseActivationGradients: Rewrite = (graph) => {
  const replaced = new Map<Tensor, Tensor>();
  for (const node of graph.nodes) {
    const activation = ACTIVATED.find((a) => a.backward === node.op);
    const [dx, y] = node.inputs;
    if (activation === undefined || dx === undefined || y === undefined) continue;
    let plain = dx;
    const isOnlyUse = () => graph.users(plain).length === 1 && !graph.isOutput(plain);
    while (isOnlyUse() && plain.node.op.view === "reshape") plain = plain.node.inputs[0]!;
    if (
      !isOnlyUse() ||
      plain.node.op !== linearBackwardOp ||
      plain.index !== 0 ||
      plain.node.inputs.length > 3
    )
      continue;
    const { inputs, attrs, label, outputs } = plain.node;
    const saved = sameShape(y.shape, plain.shape) ? y : reshape(y, plain.shape);
    const fused = linearBackwardOp.apply(
      [...inputs, saved],
      { ...(attrs as LinearBackwardAttrs), activation: activation.code },
      label,
    );
    const fusedX = fused[0]!;
    replaced.set(
      node.outputs[0]!,
      sameShape(fusedX.shape, node.outputs[0]!.shape) ? fusedX : reshape(fusedX, node.outputs[0]!.shape),
    );
    for (const i of [1, 2]) replaced.set(outputs[i]!, fused[i]!);
  }
  return replaced;
};
