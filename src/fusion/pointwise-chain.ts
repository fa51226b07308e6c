/**
 * The fusion of pointwise ops: neighbours of one shape become one op and one generated kernel, so that nothing
 * between them is stored. A value is folded in when everyone who reads it is in the same chain.
 */

import type { Graph } from "../graph/graph.ts";
import { defineOp } from "../graph/op.ts";
import { type Data, sameShape } from "../graph/spec.ts";
import { Node, type Tensor } from "../graph/tensor.ts";
import { chainKernels, loopOf, parseShapes, type Step, shapesText } from "../kernels/elementwise/chain.ts";
import { runChain } from "../ops/elementwise/pointwise-cpu.ts";

/** With the output, as many bindings as every WebGPU device allows in one stage. */
const MAX_INPUTS = 7;
/** Longer chains compile slowly and gain nothing. */
export const MAX_STEPS = 24;

/** The op of one chain. `steps` number their arguments: inputs first, then earlier steps. */
export function chainOp(steps: readonly Step[]) {
  return defineOp({
    name: "pointwiseChain",
    args: ["...xs"],
    results: ["result"],
    plan(inputs, attrs: { readonly shape: readonly number[] }) {
      const spec = { shape: attrs.shape, dtype: "f32" as const };
      return { outputs: [spec], constants: { shapes: shapesText([...inputs, spec]) } };
    },
    cpu(tensors, { shapes }) {
      runChain(steps, loopOf(shapes), tensors as Record<string, Data>, namesOf(shapes.split(";").length - 1));
    },
    kernels({ shapes }, env) {
      const parsed = parseShapes(shapes);
      return chainKernels("pointwiseChain", steps, parsed, namesOf(parsed.length - 1), env);
    },
  });
}

const namesOf = (count: number) => Array.from({ length: count }, (_, i) => `xs${i}`);

/** Finds the chains of a graph and gives each chain's last tensor its fused form. */
export function pointwiseChains(graph: Graph): Map<Tensor, Tensor> {
  const replaced = new Map<Tensor, Tensor>();
  for (const members of findChains(graph)) {
    const last = members.at(-1) as Node;
    const { inputs, steps } = chainOf(members);
    const op = chainOp(steps);
    const attrs = { shape: (last.outputs[0] as Tensor).shape };
    const label = members.map((n) => n.op.name).join("+");
    const scope = last.label.slice(0, last.label.lastIndexOf(".") + 1);
    const fused = new Node(op, inputs, attrs, op.plan(inputs, attrs), scope + label);
    replaced.set(last.outputs[0] as Tensor, fused.outputs[0] as Tensor);
  }
  return replaced;
}

/** Groups of at least two nodes, each in graph order, the last one being the only one read from outside. */
function findChains(graph: Graph): Node[][] {
  const chains = new Map<Node, Node[]>();
  const chainOfNode = new Map<Node, Node[]>();
  for (const node of [...graph.nodes].reverse()) {
    if (node.op.pointwise === undefined) continue;
    const out = node.outputs[0] as Tensor;
    const users = graph.users(out);
    const chain = users[0] === undefined ? undefined : chainOfNode.get(users[0]);
    const root = chain?.[0]?.outputs[0];
    const joins =
      chain !== undefined &&
      root !== undefined &&
      sameShape(root.shape, out.shape) &&
      users.every((u) => chainOfNode.get(u) === chain) &&
      !graph.isOutput(out) &&
      chain.length < MAX_STEPS &&
      chainOf([...chain, node].reverse()).inputs.length <= MAX_INPUTS;
    const own = joins ? chain : [];
    own.push(node);
    chainOfNode.set(node, own);
    if (!joins) chains.set(node, own);
  }
  return [...chains.values()].filter((c) => c.length > 1).map((c) => c.reverse());
}

/** What nodes in graph order are as a chain. */
export function chainOf(members: readonly Node[]): { inputs: Tensor[]; steps: Step[] } {
  const made = new Map<Tensor, number>();
  const inputs = [...new Set(members.flatMap((n) => n.inputs))].filter((t) => !members.includes(t.node));
  inputs.forEach((t, i) => {
    made.set(t, i);
  });
  const steps = members.map((node, s): Step => {
    const { pointwise, name } = node.op;
    made.set(node.outputs[0] as Tensor, inputs.length + s);
    const { constants } = node.plan;
    return {
      name,
      args: node.inputs.map((t) => made.get(t) as number),
      functions: pointwise?.functions,
      wgsl: (args) => pointwise?.wgsl(args, constants) ?? "",
      scalar: (args) => pointwise?.scalar(args, constants) ?? Number.NaN,
    };
  });
  return { inputs, steps };
}
