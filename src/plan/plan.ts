/**
 * From a graph spec to an ordered list of nodes with kernels and homes: rewrites, packs made possible, kernels
 * chosen, storage assigned. Knows no WebGPU and no op by name.
 */
import { GraphError } from "../common/errors.ts";
import { Graph, type GraphSpec, type Rewrite } from "../graph/graph.ts";
import type { KernelEnv, KernelPlan } from "../graph/kernel.ts";
import type { Op } from "../graph/tensor.ts";
import { isLeaf, type Node, type Tensor } from "../graph/tensor.ts";
import { assignStorage, baseOf, type Storage } from "./storage.ts";

export interface PlanOptions {
  /** Fusions, applied in order; none on the CPU reference. */
  readonly rewrites?: readonly Rewrite[];
  /** Forces a kernel variant by op name. */
  readonly variants?: Readonly<Record<string, string>>;
  /** Kernel variants by node, where none is forced; undefined leaves it to the op. */
  readonly choose?: Choose | undefined;
  /** Makes the copy that a pack needs where a tensor can't be computed in place. */
  readonly copy: (tensor: Tensor) => Tensor;
  /** Adapter facts for kernel choice; without them no kernels are planned. */
  readonly env?: Omit<KernelEnv, "variant">;
}

export type Choose = (node: Node) => string | undefined;

export interface Plan {
  readonly graph: Graph;
  readonly storage: Storage;
  /** Kernel plan of every node that computes. */
  readonly kernels: ReadonlyMap<Node, KernelPlan>;
  /** Where the caller's output tensors went, in the order of the spec. */
  readonly outputs: readonly Tensor[];
}

export function makePlan(spec: GraphSpec, options: PlanOptions): Plan {
  let graph = new Graph(spec);
  for (const rewrite of options.rewrites ?? []) {
    const replaced = rewrite(graph);
    const { tensors, updates } =
      "tensors" in replaced ? replaced : { tensors: replaced, updates: new Map<Node, Node>() };
    if (tensors.size + updates.size > 0) graph = graph.rebuild(tensors, updates).graph;
  }
  graph = graph.rebuild(copiesForPacks(graph, options.copy)).graph;
  const kernels = options.env === undefined ? new Map() : planKernels(graph, options.env, options);
  return { graph, kernels, storage: assignStorage(graph, kernels), outputs: graph.outputs };
}

/** The variant of `op` that `variants` forces, checked. */
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
 * A computed tensor is written straight into its slice of a pack. Where that can't be (a leaf among computed
 * tensors, a tensor packed twice, a producer that reads another slice of the same pack, which WebGPU forbids to
 * bind beside the slice it writes) a copy goes between.
 */
function copiesForPacks(graph: Graph, copy: (tensor: Tensor) => Tensor): Map<Tensor, Tensor> {
  const replaced = new Map<Tensor, Tensor>();
  const taken = new Set<Tensor>();
  for (const node of graph.nodes) {
    if (node.op.view !== "pack") continue;
    const bases = node.inputs.map(baseOf);
    const ofLeaves = bases.filter(isLeaf).length;
    if (ofLeaves === bases.length && new Set(bases).size === bases.length) continue;
    const members = new Set(bases.filter((t) => !isLeaf(t)));
    const inputs = node.inputs.map((t, i) => {
      const base = bases[i] as Tensor;
      const readsSibling = base.node.inputs.some((x) => members.has(baseOf(x)));
      const once = bases.filter((t) => t === base).length === 1;
      const computed = !isLeaf(base) && base.node.op.view === undefined;
      const inPlace = computed && once && !taken.has(base) && !readsSibling;
      if (inPlace) {
        taken.add(base);
        return t;
      }
      return copy(t);
    });
    if (inputs.every((t, i) => t === node.inputs[i])) continue;
    const packed = node.op.plan(inputs, node.attrs);
    replaced.set(node.outputs[0] as Tensor, remake(node, inputs, packed));
  }
  return replaced;
}

function remake(node: Node, inputs: readonly Tensor[], plan: Node["plan"]): Tensor {
  const Made = node.constructor as typeof Node;
  return new Made(node.op, inputs, node.attrs, plan, node.label).outputs[0] as Tensor;
}
