/**
 * Who lives where. Views share their input's storage, packed tensors are slices of the pack, everything computed
 * gets a whole-buffer slot for as long as somebody still reads it. No node writes into a slot that it reads.
 */
import { GraphError } from "../common/errors.ts";
import type { Graph } from "../graph/graph.ts";
import type { KernelPlan } from "../graph/kernel.ts";
import { packLayout } from "../graph/pack-layout.ts";
import type { DType } from "../graph/spec.ts";
import type { Node, Tensor } from "../graph/tensor.ts";

/** One piece of memory. `slot` memory is shared over time; all else belongs to one tensor for good. */
export interface Root {
  readonly kind: "state" | "input" | "constant" | "slot" | "kept";
  readonly words: number;
  readonly label: string;
  /** The leaf, the pack's output or the producing tensor that this memory stands for. */
  readonly tensor: Tensor | undefined;
  /** Number of the shared slot, for kind `slot`. */
  slot: number;
}

/** Where a tensor's elements are: `offset` words into `root`. */
export interface Home {
  readonly root: Root;
  readonly offset: number;
}

export interface Storage {
  readonly homes: ReadonlyMap<Tensor, Home>;
  /** Scratch of each node by name. */
  readonly scratch: ReadonlyMap<Node, ReadonlyMap<string, Home>>;
  readonly roots: readonly Root[];
  /** Words of each shared slot. */
  readonly slots: readonly number[];
}

/** Words that a tensor takes, padded to 16 bytes so that vec4 bindings cover it. */
export function paddedWords(size: number): number {
  return Math.ceil(size / 4) * 4;
}

/** Follows reshapes to the tensor that owns the storage. */
export function baseOf(tensor: Tensor): Tensor {
  return tensor.node.op.view === "reshape" ? baseOf(tensor.node.inputs[0] as Tensor) : tensor;
}

/**
 * Gives every tensor of `graph` a home. `kernels` holds the kernel plan of each computing node (for its scratch);
 * a backend without scratch passes an empty map.
 */
export function assignStorage(graph: Graph, kernels: ReadonlyMap<Node, KernelPlan>): Storage {
  const packOf = findPacks(graph);
  const homes = new Map<Tensor, Home>();
  const roots: Root[] = [];
  const lastUse = lastUses(graph, packOf);
  const kept = new Set(graph.outputs.map((t) => ownerOf(t, packOf)));

  const makeRoot = (kind: Root["kind"], words: number, label: string, tensor: Tensor | undefined): Root => {
    const root: Root = { kind, words, label, tensor, slot: -1 };
    roots.push(root);
    return root;
  };
  const home = (t: Tensor): Home => {
    const known = homes.get(t);
    if (known !== undefined) return known;
    const result = find(t);
    homes.set(t, result);
    return result;
  };
  const find = (t: Tensor): Home => {
    if (t.node.op.view === "reshape") return home(t.node.inputs[0] as Tensor);
    const pack = packOf.get(t);
    if (pack !== undefined) {
      const outer = home(pack.pack);
      return { root: outer.root, offset: outer.offset + pack.offset };
    }
    const leaf = t.leaf;
    if (leaf !== undefined) return { root: makeRoot(leaf.kind, paddedWords(t.size), t.label, t), offset: 0 };
    if (t.node.op.view === "pack") {
      const ofStates = baseOf(t.node.inputs[0] as Tensor).leaf !== undefined;
      return { root: makeRoot(ofStates ? "state" : "kept", t.size, t.label, t), offset: 0 };
    }
    return { root: makeRoot(kept.has(t) ? "kept" : "slot", paddedWords(t.size), t.label, t), offset: 0 };
  };

  const slots = new SlotPool();
  const scratch = new Map<Node, ReadonlyMap<string, Home>>();
  const dying = new Map<number, Root[]>();
  for (const t of graph.leaves()) home(t);
  graph.nodes.forEach((node, at) => {
    for (const t of node.outputs) {
      const { root } = home(t);
      if (root.kind !== "slot" || root.slot >= 0) continue;
      root.slot = slots.take(root.words);
      const until = Math.max(at, lastUse.get(ownerOf(t, packOf)) ?? at);
      dying.set(until, [...(dying.get(until) ?? []), root]);
    }
    const wanted = Object.entries(kernels.get(node)?.scratch ?? {});
    if (wanted.length > 0) {
      const own = new Map<string, Home>();
      for (const [name, words] of wanted) {
        const root = makeRoot("slot", paddedWords(words), `${node.label}.${name}`, undefined);
        root.slot = slots.take(root.words);
        dying.set(at, [...(dying.get(at) ?? []), root]);
        own.set(name, { root, offset: 0 });
      }
      scratch.set(node, own);
    }
    for (const root of dying.get(at) ?? []) slots.give(root.slot);
  });
  return { homes, scratch, roots, slots: slots.words };
}

interface Packed {
  readonly pack: Tensor;
  readonly offset: number;
}

function findPacks(graph: Graph): Map<Tensor, Packed> {
  const packOf = new Map<Tensor, Packed>();
  for (const node of graph.nodes) {
    if (node.op.view !== "pack") continue;
    const { offsets } = packLayout(node.inputs.map((t) => t.size));
    node.inputs.forEach((t, i) => {
      const base = baseOf(t);
      if (packOf.has(base)) {
        throw new GraphError(
          `${node.label}: ${base.label} is packed twice; a graph can update a parameter with one optimizer only, so give ` +
            "each optimizer parameters of its own, or compile a graph for each",
        );
      }
      packOf.set(base, { pack: node.outputs[0] as Tensor, offset: offsets[i] as number });
    });
  }
  return packOf;
}

/** The tensor whose storage `t` lives in: through reshapes, then into the pack if there is one. */
function ownerOf(t: Tensor, packOf: ReadonlyMap<Tensor, Packed>): Tensor {
  const base = baseOf(t);
  return packOf.get(base)?.pack ?? base;
}

function lastUses(graph: Graph, packOf: ReadonlyMap<Tensor, Packed>): Map<Tensor, number> {
  const last = new Map<Tensor, number>();
  graph.nodes.forEach((node, at) => {
    for (const t of node.inputs) last.set(ownerOf(t, packOf), at);
  });
  return last;
}

/** Slots in use and free; a request takes the smallest free slot that fits, else the largest, which then grows. */
class SlotPool {
  readonly words: number[] = [];
  readonly #free = new Set<number>();

  take(words: number): number {
    const size = (slot: number) => this.words[slot] as number;
    const free = [...this.#free].sort((a, b) => size(a) - size(b));
    const slot = free.find((s) => size(s) >= words) ?? free.at(-1) ?? this.words.push(0) - 1;
    this.#free.delete(slot);
    this.words[slot] = Math.max(size(slot), words);
    return slot;
  }

  give(slot: number): void {
    this.#free.add(slot);
  }
}

/** Bytes of one element of `dtype` on a backend whose floats have `floatBytes`. */
export function bytesOf(dtype: DType, floatBytes: 4 | 8): number {
  return dtype === "f32" ? floatBytes : 4;
}
