/**
 * Assigns memory to every tensor of a graph. A reshape shares the memory of its input, the members of a flattened buffer are
 * slices of it, and every computed tensor gets a slot that is reused once the last node that reads it has run. A node never
 * writes into a slot that it reads.
 */

import type { Graph } from "../graph/graph.ts";
import type { KernelPlan } from "../graph/kernel.ts";
import { packLayout } from "../graph/pack-layout.ts";
import type { Node, Tensor } from "../graph/tensor.ts";
import { GraphError } from "../validation/errors.ts";

/** One piece of memory. A `slot` is reused by other tensors during a run; all other kinds belong to one tensor. */
export interface Allocation {
  readonly kind: "state" | "input" | "constant" | "slot" | "output";
  readonly words: number;
  readonly label: string;
  /** The leaf, the flattened buffer or the output that this memory holds; undefined for scratch memory. */
  readonly tensor: Tensor | undefined;
  /** Number of the shared slot, for kind `slot`. */
  slot: number;
}

/** Where a tensor's elements are: `offset` words into `allocation`. */
export interface Placement {
  readonly allocation: Allocation;
  readonly offset: number;
}

export interface Storage {
  readonly placements: ReadonlyMap<Tensor, Placement>;
  /** Scratch memory of each node by name. */
  readonly scratch: ReadonlyMap<Node, ReadonlyMap<string, Placement>>;
  readonly allocations: readonly Allocation[];
  /** Words of each shared slot. */
  readonly slots: readonly number[];
}

/** Words that a tensor takes, padded to 16 bytes so that vec4 bindings cover it. */
export function paddedWords(size: number): number {
  return Math.ceil(size / 4) * 4;
}

/** The tensor that `tensor` is a reshape of, or `tensor` itself. */
export function baseOf(tensor: Tensor): Tensor {
  return tensor.node.op.view === "reshape" ? baseOf(tensor.node.inputs[0] as Tensor) : tensor;
}

/**
 * Places every tensor of `graph`. `kernels` gives each computing node's scratch memory; a backend without scratch passes an
 * empty map. Throws GraphError where a tensor is a member of two flattened buffers.
 */
export function assignStorage(graph: Graph, kernels: ReadonlyMap<Node, KernelPlan>): Storage {
  const slices = slicesOf(graph);
  const ownerOf = (t: Tensor) => slices.get(baseOf(t))?.buffer ?? baseOf(t);
  const outputs = new Set(graph.outputs.map(ownerOf));
  const lastUse = new Map<Tensor, number>();
  graph.nodes.forEach((node, at) => {
    for (const t of node.inputs) lastUse.set(ownerOf(t), at);
  });

  const placements = new Map<Tensor, Placement>();
  const allocations: Allocation[] = [];
  const allocate = (kind: Allocation["kind"], words: number, label: string, tensor?: Tensor): Placement => {
    const allocation: Allocation = { kind, words, label, tensor, slot: -1 };
    allocations.push(allocation);
    return { allocation, offset: 0 };
  };
  const place = (t: Tensor): Placement => {
    const known = placements.get(t);
    if (known !== undefined) return known;
    const made = makePlacement(t);
    placements.set(t, made);
    return made;
  };
  const makePlacement = (t: Tensor): Placement => {
    if (t.node.op.view === "reshape") return place(t.node.inputs[0] as Tensor);
    const slice = slices.get(t);
    if (slice !== undefined) {
      const whole = place(slice.buffer);
      return { allocation: whole.allocation, offset: whole.offset + slice.offset };
    }
    if (t.node.op.view === "pack") {
      const ofStates = baseOf(t.node.inputs[0] as Tensor).leaf !== undefined;
      return allocate(ofStates ? "state" : "output", t.size, t.label, t);
    }
    const kind = t.leaf?.kind ?? (outputs.has(t) ? "output" : "slot");
    return allocate(kind, paddedWords(t.size), t.label, t);
  };

  const slots = new SlotPool();
  const scratch = new Map<Node, ReadonlyMap<string, Placement>>();
  /** Slots by the node after which they are free. */
  const releases = new Map<number, number[]>();
  const takeSlot = (allocation: Allocation, until: number) => {
    allocation.slot = slots.take(allocation.words);
    releases.set(until, [...(releases.get(until) ?? []), allocation.slot]);
  };
  for (const t of graph.leaves()) place(t);
  graph.nodes.forEach((node, at) => {
    for (const t of node.outputs) {
      const { allocation } = place(t);
      if (allocation.kind === "slot" && allocation.slot < 0) {
        takeSlot(allocation, Math.max(at, lastUse.get(ownerOf(t)) ?? at));
      }
    }
    const own = new Map<string, Placement>();
    for (const [name, words] of Object.entries(kernels.get(node)?.scratch ?? {})) {
      const placement = allocate("slot", paddedWords(words), `${node.label}.${name}`);
      takeSlot(placement.allocation, at);
      own.set(name, placement);
    }
    if (own.size > 0) scratch.set(node, own);
    for (const slot of releases.get(at) ?? []) slots.release(slot);
  });
  return { placements, scratch, allocations, slots: slots.words };
}

interface Slice {
  /** The output of the `pack` node. */
  readonly buffer: Tensor;
  readonly offset: number;
}

/** The members of all flattened buffers with their offsets. */
function slicesOf(graph: Graph): Map<Tensor, Slice> {
  const slices = new Map<Tensor, Slice>();
  for (const node of graph.nodes) {
    if (node.op.view !== "pack") continue;
    const { offsets } = packLayout(node.inputs.map((t) => t.size));
    node.inputs.forEach((t, i) => {
      const base = baseOf(t);
      if (slices.has(base)) {
        throw new GraphError(
          `${node.label}: ${base.label} already belongs to another flattened buffer of this graph; a graph can update a ` +
            "parameter with one optimizer only, so give each optimizer parameters of its own, or compile a graph for each",
        );
      }
      slices.set(base, { buffer: node.outputs[0] as Tensor, offset: offsets[i] as number });
    });
  }
  return slices;
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

  release(slot: number): void {
    this.#free.add(slot);
  }
}
