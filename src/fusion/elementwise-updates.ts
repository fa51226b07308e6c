/**
 * The fusion of updates that store element-wise values: `assign` and `flagNonFinite` with the ops that compute their values
 * become one generated kernel that changes states in place. Each invocation reads all states of an element before it writes
 * them, so that every value is made of the states as the run began.
 *
 * What needs more buffers than every device binds is split. A later group computes anew what it shares with an earlier one,
 * and reads a value that the earlier one has stored from its state.
 */
import { type Graph, leavesOf, sortUpdates } from "../graph/graph.ts";
import { type Shape, sameShape } from "../graph/spec.ts";
import { Node, type Replaced, type Tensor } from "../graph/tensor.ts";
import { assignOp } from "../ops/state/assign.ts";
import { flagNonFiniteOp } from "../ops/state/flag-non-finite.ts";
import { groupOp, MAX_BUFFERS, stepsOf } from "./elementwise-group.ts";

/** More steps than this compile slowly. */
const MAX_UPDATE_STEPS = 96;

const targetOf = (update: Node) => update.inputs[0] as Tensor;
const sourceOf = (update: Node) => update.inputs[1] as Tensor;
const shapeOf = (update: Node) => (update.op === assignOp ? targetOf(update) : sourceOf(update)).shape;

/** Updates that are computed together, as one node. */
interface UpdateGroup {
  readonly updates: readonly Node[];
  readonly node: Node;
}

export function fuseUpdates(graph: Graph): Replaced {
  const updates = graph.updates.filter(({ op }) => op === assignOp || op === flagNonFiniteOp);
  const builder = new GroupBuilder(graph, updates);
  let groups: readonly UpdateGroup[] = [];
  for (const update of updates) {
    for (const next of withUpdate(groups, update, builder)) {
      if (!isOrdered(graph, next)) continue;
      groups = next;
      break;
    }
  }
  return { tensors: new Map(), updates: insteadOf(groups) };
}

/** `groups` with `update` in one of them, or in one of its own: what can be made, best first. */
function* withUpdate(
  groups: readonly UpdateGroup[],
  update: Node,
  builder: GroupBuilder,
): Generator<readonly UpdateGroup[]> {
  for (const [i, { updates }] of groups.entries()) {
    if (!sameShape(shapeOf(updates[0] as Node), shapeOf(update))) continue;
    const node = builder.group([...updates, update], groups.slice(0, i));
    if (node !== undefined) yield groups.with(i, { updates: [...updates, update], node });
  }
  for (const earlier of [groups, []]) {
    const node = builder.group([update], earlier) ?? builder.part(update, earlier);
    if (node !== undefined) yield [...groups, { updates: [update], node }];
  }
}

function insteadOf(groups: readonly UpdateGroup[]): ReadonlyMap<Node, Node> {
  return new Map(groups.flatMap(({ updates, node }) => updates.map((update) => [update, node] as const)));
}

/** Whether the updates of `graph`, with `groups` in place of theirs, can run one after another. */
function isOrdered(graph: Graph, groups: readonly UpdateGroup[]): boolean {
  const instead = insteadOf(groups);
  const updates = new Set(graph.updates.map((update) => instead.get(update) ?? update));
  return sortUpdates([...updates]).stuck.length === 0;
}

class GroupBuilder {
  /** Nodes that only updates read, by way of other such nodes: groups compute their results where they need them. */
  readonly #foldable = new Set<Node>();

  constructor(
    readonly graph: Graph,
    updates: readonly Node[],
  ) {
    const own = new Set(updates);
    for (const node of [...graph.nodes].reverse()) {
      const out = node.outputs[0];
      if (node.op.pointwise === undefined || out === undefined || graph.isOutput(out)) continue;
      const fits = (shape: Shape) => out.size === 1 || sameShape(out.shape, shape);
      const folds = graph
        .users(out)
        .every((user) =>
          own.has(user) ? fits(shapeOf(user)) : this.#foldable.has(user) && fits(user.outputs[0]!.shape),
        );
      if (folds) this.#foldable.add(node);
    }
  }

  /** One node for `updates`, all of one shape, that comes after `earlier`; undefined where it would bind too much. */
  group(updates: readonly Node[], earlier: readonly UpdateGroup[]): Node | undefined {
    const stored = this.#storedBy(earlier);
    const members = new Set<Node>();
    const visit = (t: Tensor): void => {
      if (!this.#foldable.has(t.node) || members.has(t.node) || stored.has(t)) return;
      members.add(t.node);
      t.node.inputs.forEach(visit);
    };
    for (const update of updates) visit(sourceOf(update));
    return this.#node(updates, members, stored);
  }

  /** A node for one update that computes as much of its value as fits; what does not is computed before. */
  part(update: Node, earlier: readonly UpdateGroup[]): Node | undefined {
    const stored = this.#storedBy(earlier);
    const members = new Set<Node>();
    let made: Node | undefined;
    for (const node of [...this.graph.nodes].reverse()) {
      const out = node.outputs[0]!;
      const needed = out === sourceOf(update) || [...members].some(({ inputs }) => inputs.includes(out));
      if (!needed || !this.#foldable.has(node) || stored.has(out)) continue;
      const next = this.#node([update], members.add(node), stored);
      if (next !== undefined) made = next;
      else {
        members.delete(node);
        this.#foldable.delete(node);
      }
    }
    return made;
  }

  #node(
    updates: readonly Node[],
    chosen: ReadonlySet<Node>,
    stored: ReadonlyMap<Tensor, Tensor>,
  ): Node | undefined {
    const members = this.graph.nodes.filter((node) => chosen.has(node));
    const { inputs: read, steps, numbers } = stepsOf(members, updates.map(sourceOf));
    const after = read.flatMap((t) => stored.get(t) ?? []);
    const inputs = read.map((t) => stored.get(t) ?? t);
    const targets = updates.map(targetOf);
    const bound = [...new Set([...inputs, ...targets])];
    const isOnce = new Set(inputs).size === inputs.length && new Set(targets).size === targets.length;
    if (!isOnce || bound.length > MAX_BUFFERS || steps.length > MAX_UPDATE_STEPS) return undefined;
    // Other views of what changes would be read after some of it has changed.
    const written = new Set(targets.flatMap(leavesOf));
    const overlaps = (t: Tensor) => leavesOf(t).some((leaf) => written.has(leaf));
    // Every invocation writes a flag, whichever element it reads.
    const own = new Set(updates.filter(({ op }) => op === assignOp).map(targetOf));
    if (inputs.some((t) => overlaps(t) && !own.has(t))) return undefined;
    const nameOf = (t: Tensor) => `xs${bound.indexOf(t)}`;
    const group = {
      inputs: inputs.map((t) => ({
        name: nameOf(t),
        dtype: t.dtype,
        // States may be packed with some that change, here or by another program.
        sharesBuffer: t.dtype === "f32" && leavesOf(t).some(({ leaf }) => leaf?.kind === "state"),
      })),
      steps,
      outputs: updates.map((update) => ({
        name: nameOf(targetOf(update)),
        dtype: targetOf(update).dtype,
        value: numbers.get(sourceOf(update)) as number,
        flagsNonFinite: update.op === flagNonFiniteOp,
      })),
    };
    const op = groupOp(group, {
      written: bound.slice(inputs.length).map(nameOf),
      // States that are read after another update has changed them count as changed: it has to come first.
      mutates: [...new Set([...targets, ...after])].map(nameOf),
      follows: after.length > 0,
    });
    const attrs = { shape: shapeOf(updates[0] as Node), dtype: "f32" as const };
    return new Node(op, bound, attrs, op.plan(bound, attrs), (updates[0] as Node).label);
  }

  /** Values that `groups` store and nothing else does, and the states that have them afterwards. */
  #storedBy(groups: readonly UpdateGroup[]): ReadonlyMap<Tensor, Tensor> {
    const stored = new Map<Tensor, Tensor>();
    for (const update of groups.flatMap(({ updates }) => updates)) {
      const [state, value] = [targetOf(update), sourceOf(update)];
      const isSame = update.op === assignOp && sameShape(value.shape, state.shape);
      if (isSame && this.#foldable.has(value.node)) stored.set(value, state);
    }
    return stored;
  }
}
