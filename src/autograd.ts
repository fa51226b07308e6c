/**
 * Reverse-mode differentiation from graph to graph: gradients are ordinary nodes, so they are planned, fused and checked like
 * all others and can be differentiated again.
 */

import { expectTensor } from "./graph/op.ts";
import { formatShape, sameShape } from "./graph/spec.ts";
import { evaluatedBy, Node, type Tensor } from "./graph/tensor.ts";
import { add } from "./ops/elementwise/arithmetic.ts";
import { redirectOp } from "./ops/elementwise/custom-gradient.ts";
import { detachOp } from "./ops/elementwise/detach.ts";
import { fill } from "./ops/elementwise/fill.ts";
import { GraphError, ShapeError, ValueError } from "./validation/errors.ts";
import { shown } from "./validation/options.ts";

/**
 * d loss / d wrt[i], one tensor per entry, each with the shape of its `wrt`.
 *
 * `loss` must hold one value unless `seed` (d something / d loss, of loss's shape) is given. A tensor used several
 * times gets the sum over its uses; one that the loss does not depend on gets zeros. Throws GraphError when an op between
 * them has no gradient, and for parameters where dropout or batchNorm was applied without `nn.build`, which says whether for
 * training or evaluation.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[], seed?: Tensor): Tensor[] {
  if (seed === undefined && loss.size !== 1) {
    throw new ShapeError(
      `gradients: loss must hold one value, got ${formatShape(loss.shape)}; reduce it with mean or sum`,
    );
  }
  if (seed !== undefined && !sameShape(seed.shape, loss.shape)) {
    throw new ShapeError(
      `gradients: seed ${formatShape(seed.shape)} must have the shape of loss ${formatShape(loss.shape)}`,
    );
  }
  const whole = [loss, ...wrt].find(({ dtype }) => dtype !== "f32");
  if (whole !== undefined) {
    throw new ShapeError(
      `gradients: loss and wrt must be f32, got ${whole.toString()}; gradients do not flow through integers`,
    );
  }
  const order = ancestors(loss.node);
  const wanted = new Set(wrt);
  if (wrt.some(({ leaf }) => leaf?.kind === "state" && leaf.trainable)) refuseUnknownMode(order);
  // Nodes that depend on a tensor of `wrt`.
  const dependent = new Set<Node>();
  const flows = (t: Tensor) => wanted.has(t) || dependent.has(t.node);
  for (const node of order) if (node.inputs.some(flows)) dependent.add(node);

  const grads = new Map<Tensor, Tensor>();
  grads.set(loss, seed ?? fill(loss.shape, 1));
  for (const node of [...order].reverse()) {
    if (!dependent.has(node)) continue;
    const incoming = node.outputs.map((t) => grads.get(t));
    if (incoming.every((g) => g === undefined)) continue;
    if (node.op.backward === undefined) {
      throw new GraphError(
        `gradients: ${node.op.name} (${node.label}) has no gradient, yet the loss depends on it`,
      );
    }
    const needs = node.inputs.map(flows);
    const outgoing = node.op.backward({
      inputs: node.inputs,
      outputs: node.outputs,
      grads: incoming,
      needs,
      attrs: node.attrs,
    });
    node.inputs.forEach((t, i) => {
      const g = outgoing[i];
      if (g === undefined || !needs[i]) return;
      if (!sameShape(g.shape, t.shape)) {
        throw new ShapeError(
          `${node.op.name}: gradient of input ${i} has shape ${formatShape(g.shape)}, expected ${formatShape(t.shape)}`,
        );
      }
      const sum = grads.get(t);
      grads.set(t, sum === undefined ? g : add(sum, g));
    });
  }
  return wrt.map((t) => grads.get(t) ?? fill(t.shape, 0));
}

/**
 * What `fn` computes, with less memory in training: results inside `fn` are not kept for the backward pass, which computes them
 * again from the inputs, with the same bits, random numbers included. Gradients reach everything that `fn` uses, parameters
 * too. `fn` is called once. Throws ShapeError on what is no tensor.
 *
 *     const y = checkpoint((x) => block.forward(x), x);
 */
export function checkpoint<Inputs extends readonly Tensor[]>(
  fn: (...inputs: Inputs) => Tensor,
  ...inputs: Inputs
): Tensor {
  if (typeof fn !== "function") {
    throw new ValueError(`checkpoint: takes a function and its inputs, got ${shown(fn)}`);
  }
  for (const x of inputs) expectTensor("checkpoint", "every input after the function", x);
  // Nodes that `fn` makes are younger than this one.
  const first = fill([], 0).node.id;
  const y = fn(...inputs);
  expectTensor("checkpoint", "the result of fn", y);
  const nodes = ancestors(y.node, ({ id }) => id > first);
  const outer = new Set(nodes.flatMap((node) => node.inputs).filter((t) => t.node.id < first));
  const used = [...outer].filter((t) => t.dtype === "f32");
  if (nodes.length === 0 || used.length === 0) return y;
  return redirectOp.one([y, ...used], {
    backward(dy) {
      // Views that come after dy: nothing is computed again before the backward pass gets here.
      const late = used.map((t) =>
        redirectOp.one([t, t, dy], { backward: (g) => [g, undefined] }, "checkpoint"),
      );
      const again = new Map<Tensor, Tensor>(used.map((t, i) => [t, late[i] as Tensor]));
      for (const node of nodes) {
        const renewed = new Node(
          node.op,
          node.inputs.map((t) => again.get(t) ?? t),
          node.attrs,
          node.plan,
          node.label,
        );
        node.outputs.forEach((t, i) => {
          again.set(t, renewed.outputs[i] as Tensor);
        });
      }
      return gradients(again.get(y) as Tensor, late, dy);
    },
  });
}

/** The parameters that a gradient of `result` can reach, each with the label of a node that uses it. */
export function parametersOf(result: Tensor): Map<Tensor, string> {
  const found = new Map<Tensor, string>();
  const seen = new Set<Node>([result.node]);
  for (const node of seen) {
    if (node.op === detachOp || node.op.backward === undefined) continue;
    for (const t of node.inputs) {
      if (t.leaf?.kind === "state" && t.leaf.trainable && !found.has(t)) found.set(t, node.label);
      seen.add(t.node);
    }
  }
  return found;
}

/** Throws GraphError on layers that differ between training and evaluation and were built without saying for which. */
function refuseUnknownMode(nodes: readonly Node[]): void {
  for (const t of nodes.flatMap((node) => node.outputs)) {
    const who = evaluatedBy(t);
    if (who === undefined) continue;
    throw new GraphError(
      `gradients: ${who} (${t.label}) was built for evaluation, since there is no nn.build around it; build the forward pass in ` +
        "nn.build({ training: true, random: new ops.RandomSource(step, key) }, () => …) and list its updates, or in " +
        "nn.build({ training: false }, () => …) if evaluation is meant",
    );
  }
}

/** `root` and all nodes that it depends on, in topological order; only those that are `wanted`, by way of such. */
function ancestors(root: Node, wanted: (node: Node) => boolean = () => true): Node[] {
  const order: Node[] = [];
  if (!wanted(root)) return order;
  const seen = new Set<Node>([root]);
  const stack: [Node, number][] = [[root, 0]];
  while (stack.length > 0) {
    const top = stack[stack.length - 1] as [Node, number];
    const child = top[0].inputs[top[1]++]?.node;
    if (child === undefined) {
      order.push(top[0]);
      stack.pop();
    } else if (!seen.has(child) && wanted(child)) {
      seen.add(child);
      stack.push([child, 0]);
    }
  }
  return order;
}
