/**
 * A graph as the planner and fusions see it, without knowing any op by name: the needed nodes in a deterministic order, the
 * users of a tensor, and the graph rebuilt with some nodes replaced.
 */
import { GraphError } from "../validation/errors.ts";
import { checkOptions, shown } from "../validation/options.ts";
import type { GraphView, Replaced } from "./tensor.ts";
import { isLeaf, Node, Tensor } from "./tensor.ts";

/** What a program computes: tensors to read, and updates, which are nodes that change states. */
export interface GraphSpec {
  readonly outputs: readonly Tensor[];
  readonly updates?: readonly Node[];
}

/** A fusion: what to replace in a graph. A fusion that replaces no update may return the tensors alone. */
export type Rewrite = (graph: Graph) => Replaced | Replaced["tensors"];

export class Graph implements GraphView {
  /**
   * The nodes that the spec needs, without leaves, in topological order. Updates come last, except those whose outputs are
   * used; such an update must be the only user of its states.
   */
  readonly nodes: readonly Node[];
  readonly #users = new Map<Tensor, Node[]>();
  readonly outputs: readonly Tensor[];
  readonly updates: readonly Node[];

  constructor(spec: GraphSpec) {
    checkOptions("compile: the graph", spec, { outputs: "array", updates: "array" });
    const wrong = spec.outputs?.find((t) => !(t instanceof Tensor));
    if (spec.outputs === undefined || wrong !== undefined) {
      throw new GraphError(`compile: outputs must be an array of tensors, got ${shown(wrong)}`);
    }
    const stray = spec.updates?.find((u) => !(u instanceof Node));
    if (stray !== undefined) {
      throw new GraphError(
        `compile: updates must be an array of updates, as ops.assign and optimizer.updates give them, got ${shown(stray)}`,
      );
    }
    this.outputs = spec.outputs;
    this.updates = orderUpdates(dropYielding([...new Set(spec.updates)]));
    const updates = new Set(this.updates);
    const early = this.updates.filter((u) => u.outputs.length > 0);
    const last = this.updates.filter((u) => u.outputs.length === 0);
    const atTheEnd = new Set(last);
    const nodes: Node[] = [];
    const seen = new Set<Node>();
    const visit = (root: Node) => {
      const stack: [Node, number][] = [[root, 0]];
      while (stack.length > 0) {
        const top = stack[stack.length - 1] as [Node, number];
        const [node, next] = top;
        if (next === 0) {
          if (seen.has(node)) {
            stack.pop();
            continue;
          }
          seen.add(node);
        }
        // Visit packed gradients in reverse: gradients of late layers are ready first, which frees their activations sooner.
        const child = node.inputs[node.op.view === "pack" ? node.inputs.length - 1 - next : next]?.node;
        if (child !== undefined) {
          top[1]++;
          if (!seen.has(child)) stack.push([child, 0]);
          continue;
        }
        stack.pop();
        if (!atTheEnd.has(node)) nodes.push(node);
      }
    };
    for (const t of this.outputs) visit(t.node);
    for (const u of this.updates) visit(u);
    this.nodes = [...nodes.filter((n) => n.op.name !== "leaf"), ...last];
    for (const node of this.nodes) {
      if (node.op.mutates.length > 0 && !updates.has(node)) {
        throw new GraphError(`${node.label}: changes states, so it belongs in \`updates\``);
      }
      for (const t of new Set(node.inputs)) {
        const list = this.#users.get(t);
        if (list === undefined) this.#users.set(t, [node]);
        else list.push(node);
      }
    }
    for (const update of early) {
      const own = mutatedLeaves(update);
      const other = this.nodes.find(
        (n) => n !== update && n.inputs.some((t) => leavesOf(t).some((leaf) => own.includes(leaf))),
      );
      if (other !== undefined) {
        throw new GraphError(`${update.label}: changes a state that ${other.label} uses, too`);
      }
    }
  }

  /** The nodes that read `tensor`; outputs of the graph are not among them, see `isOutput`. */
  users(tensor: Tensor): readonly Node[] {
    return this.#users.get(tensor) ?? [];
  }

  isOutput(tensor: Tensor): boolean {
    return this.outputs.includes(tensor);
  }

  /** Leaves that some node or output reads, in order of first use. */
  leaves(): Tensor[] {
    const found = new Set<Tensor>();
    for (const t of this.outputs) if (isLeaf(t)) found.add(t);
    for (const node of this.nodes) for (const t of node.inputs) if (isLeaf(t)) found.add(t);
    return [...found];
  }

  /**
   * The graph with tensors replaced by those in `replaced`, and updates by those in `instead`. Nodes downstream are made anew
   * with the same attributes and labels. `moved` maps the tensors of this graph to those of the new one.
   */
  rebuild(
    replaced: ReadonlyMap<Tensor, Tensor>,
    instead: ReadonlyMap<Node, Node> = new Map(),
  ): { graph: Graph; moved: ReadonlyMap<Tensor, Tensor> } {
    const moved = new Map<Tensor, Tensor>();
    const rebuilt = new Map<Node, Node>();
    const move = (t: Tensor): Tensor => {
      const known = moved.get(t);
      if (known !== undefined) return known;
      const target = replaced.get(t);
      const result = target !== undefined ? move(target) : (renew(t.node).outputs[t.index] as Tensor);
      moved.set(t, result);
      return result;
    };
    const renew = (node: Node): Node => {
      const known = rebuilt.get(node);
      if (known !== undefined) return known;
      const inputs = node.inputs.map(move);
      const same = inputs.every((t, i) => t === node.inputs[i]);
      const result = same ? node : new Node(node.op, inputs, node.attrs, node.plan, node.label);
      rebuilt.set(node, result);
      return result;
    };
    const outputs = this.outputs.map(move);
    const updates = this.updates.map((u) => renew(instead.get(u) ?? u));
    return { graph: new Graph({ outputs, updates }), moved };
  }
}

/** The states that an update changes, also through `pack` and `reshape`. */
export function mutatedLeaves(node: Node): Tensor[] {
  const found: Tensor[] = [];
  const visit = (t: Tensor): void => {
    if (isLeaf(t)) found.push(t);
    else if (t.node.op.view !== undefined) t.node.inputs.forEach(visit);
    else throw new GraphError(`${node.label}: changes ${t.label}, which is not a state`);
  };
  node.op.args.forEach((name, i) => {
    const t = node.inputs[i];
    if (t !== undefined && node.op.mutates.includes(name)) visit(t);
  });
  for (const t of found) {
    if (t.leaf?.kind !== "state")
      throw new GraphError(`${node.label}: changes ${t.label}, which is not a state`);
  }
  return found;
}

/** Leaves out updates that yield to another update of the same state. Of several that yield, the first stays. */
function dropYielding(updates: readonly Node[]): readonly Node[] {
  if (!updates.some((u) => u.op.yields)) return updates;
  const changes = new Map(updates.map((u) => [u, new Set(mutatedLeaves(u))]));
  return updates.filter((u, at) => {
    const own = [...(changes.get(u) ?? [])];
    const winsOver = (v: Node, i: number) => v !== u && (!v.op.yields || i < at);
    return !u.op.yields || !updates.some((v, i) => winsOver(v, i) && own.some((t) => changes.get(v)?.has(t)));
  });
}

function orderUpdates(updates: readonly Node[]): readonly Node[] {
  const { ordered, stuck } = sortUpdates(updates);
  if (stuck.length === 0) return ordered;
  const names = stuck.map(({ label }) => label).join(", ");
  throw new GraphError(`updates: each of ${names} changes a state that another one reads`);
}

/**
 * An update that reads a state goes before another update that changes it. Of one state there is one update, and those that
 * say that they follow it, in the order of the list. `stuck`: updates for which there is no such order. Throws GraphError on
 * two updates of one state.
 */
export function sortUpdates(updates: readonly Node[]): { ordered: readonly Node[]; stuck: readonly Node[] } {
  const changes = updates.map((u) => new Set(mutatedLeaves(u)));
  const reads = updates.map((u) => new Set(u.inputs.flatMap(leavesOf)));
  const before = (i: number, j: number): boolean => {
    const both = [...(changes[i] ?? [])].find((s) => changes[j]?.has(s));
    if (both !== undefined && !updates[Math.max(i, j)]?.op.follows) {
      throw new GraphError(
        `updates: ${updates[Math.min(i, j)]?.label} and ${updates[Math.max(i, j)]?.label} both change ${both.label}, which each ` +
          "would see as the step began; combine them into one, or compile a graph for each",
      );
    }
    if (both !== undefined) return i < j;
    return [...(reads[i] ?? [])].some((s) => changes[j]?.has(s));
  };
  const left = new Set(updates.keys());
  const ordered: Node[] = [];
  while (left.size > 0) {
    const next = [...left].find((i) => [...left].every((j) => i === j || !before(j, i)));
    if (next === undefined) break;
    left.delete(next);
    ordered.push(updates[next] as Node);
  }
  return { ordered, stuck: [...left].map((i) => updates[i] as Node) };
}

/** The leaves that a tensor is a view of. */
export function leavesOf(tensor: Tensor): Tensor[] {
  if (isLeaf(tensor)) return [tensor];
  return tensor.node.op.view === undefined ? [] : tensor.node.inputs.flatMap(leavesOf);
}
