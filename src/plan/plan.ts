/**
 * Plans a graph: applies the fusions, inserts the copies that flattened buffers need, chooses the kernels of each node and
 * assigns memory. Knows neither WebGPU nor any op by name.
 */

import { Graph, type GraphSpec, type Rewrite } from "../graph/graph.ts";
import type { KernelEnv, KernelPlan } from "../graph/kernel.ts";
import { argName, checkVariants } from "../graph/op.ts";
import { isLeaf, Node, type Op, type Tensor } from "../graph/tensor.ts";
import { GraphError } from "../validation/errors.ts";
import { assignStorage, baseOf, type Storage } from "./storage.ts";

export interface PlanOptions {
  /** Fusions, applied in order; none on the CPU reference. */
  readonly rewrites?: readonly Rewrite[];
  /** Forces a kernel variant by op name. */
  readonly variants?: Readonly<Record<string, string>>;
  /** Chooses the variant of each node for which none is forced; undefined leaves the choice to the op. */
  readonly choose?: Choose | undefined;
  /** Makes the copy that a flattened buffer needs of a tensor that can't be computed in place. */
  readonly copy: (tensor: Tensor) => Tensor;
  /** What is known of the adapter. Without it no kernels are chosen, as on the CPU reference. */
  readonly env?: Omit<KernelEnv, "variant">;
}

export type Choose = (node: Node) => string | undefined;

export interface Plan {
  readonly graph: Graph;
  readonly storage: Storage;
  /** Kernel plan of every node that computes. */
  readonly kernels: ReadonlyMap<Node, KernelPlan>;
  /** The tensors of `graph` that stand for the outputs of the spec, in its order. */
  readonly outputs: readonly Tensor[];
}

/** Throws GraphError on what can't be planned: see `Graph`, `checkVariants`, and the kernels of the ops. */
export function makePlan(spec: GraphSpec, options: PlanOptions): Plan {
  checkVariants(options.variants);
  let graph = new Graph(spec);
  for (const rewrite of options.rewrites ?? []) {
    const replaced = rewrite(graph);
    const { tensors, updates } =
      "tensors" in replaced ? replaced : { tensors: replaced, updates: new Map<Node, Node>() };
    if (tensors.size + updates.size > 0) graph = graph.rebuild(tensors, updates).graph;
  }
  graph = graph.rebuild(insertCopies(graph, options.copy)).graph;
  const kernels = options.env === undefined ? new Map() : planKernels(graph, options.env, options);
  return { graph, kernels, storage: assignStorage(graph, kernels), outputs: graph.outputs };
}

/** The variant that `variants` forces on `op`; undefined for none. Throws GraphError where `op` has no such variant. */
export function forcedVariant(op: Op, variants: Readonly<Record<string, string>>): string | undefined {
  const variant = variants[op.name];
  if (variant !== undefined && !op.variants.includes(variant)) {
    throw new GraphError(
      `${op.name}: has no variant ${variant}, only ${op.variants.join(", ") || "one kernel"}`,
    );
  }
  return variant;
}

function planKernels(
  graph: Graph,
  env: Omit<KernelEnv, "variant">,
  { variants = {}, choose }: PlanOptions,
): Map<Node, KernelPlan> {
  const kernels = new Map<Node, KernelPlan>();
  for (const node of graph.nodes) {
    if (node.op.view !== undefined) continue;
    if (node.op.kernels === undefined) throw new GraphError(`${node.op.name}: has no kernels`);
    const variant = forcedVariant(node.op, variants) ?? choose?.(node);
    kernels.set(
      node,
      node.op.kernels(node.plan.constants, variant === undefined ? env : { ...env, variant }),
    );
  }
  return kernels;
}

/**
 * Copies of tensors that can't be computed straight into their slice of a flattened buffer: leaves beside computed tensors or in
 * another flattened buffer, tensors with two slices, and tensors whose node reads another slice of the same buffer, because WebGPU forbids a dispatch
 * to read and write one buffer. Answers what replaces the nodes that flatten.
 */
function insertCopies(graph: Graph, copy: (tensor: Tensor) => Tensor): Map<Tensor, Tensor> {
  const replaced = new Map<Tensor, Tensor>();
  const computedInPlace = new Set<Tensor>();
  // A leaf has one place: in the buffer that an update changes, else in the first.
  const packs = graph.nodes.filter(({ op }) => op.view === "pack");
  const changed = new Set(
    graph.updates.flatMap(({ op, inputs }) => inputs.filter((_, i) => op.mutates.includes(argName(op, i)))),
  );
  const isChanged = (node: Node) => node.outputs.some((t) => changed.has(t));
  const placed = new Set<Tensor>();
  for (const node of [...packs.filter(isChanged), ...packs.filter((node) => !isChanged(node))]) {
    const bases = node.inputs.map(baseOf);
    const isFree = (t: Tensor) => isLeaf(t) && (isChanged(node) || !placed.has(t));
    if (bases.every(isFree) && new Set(bases).size === bases.length) {
      for (const t of bases) placed.add(t);
      continue;
    }
    const computed = new Set(bases.filter((t) => !isLeaf(t)));
    const inputs = node.inputs.map((t, i) => {
      const base = bases[i] as Tensor;
      const inPlace =
        computed.has(base) &&
        base.node.op.view === undefined &&
        bases.filter((other) => other === base).length === 1 &&
        !computedInPlace.has(base) &&
        !base.node.inputs.some((x) => computed.has(baseOf(x)));
      if (!inPlace) return copy(t);
      computedInPlace.add(base);
      return t;
    });
    if (inputs.every((t, i) => t === node.inputs[i])) continue;
    const flattened = new Node(node.op, inputs, node.attrs, node.op.plan(inputs, node.attrs), node.label);
    replaced.set(node.outputs[0] as Tensor, flattened.outputs[0] as Tensor);
  }
  return replaced;
}
