/**
 * The CPU reference: runs the same graph, unfused, node by node in JavaScript, in 32 or 64 bits. Slow, plain and
 * the truth that every kernel is checked against.
 */

import { ClosedError, GraphError, ValueError } from "../../common/errors.ts";
import { checkOptions } from "../../common/options.ts";
import type { GraphSpec } from "../../graph/graph.ts";
import { argName } from "../../graph/op.ts";
import type { Data, DType } from "../../graph/spec.ts";
import { type Node, type Tensor, valuesFor } from "../../graph/tensor.ts";
import type { Values } from "../../graph/values.ts";
import { copy } from "../../ops/elementwise/copy.ts";
import { firstValues, StartValues } from "../../plan/initial.ts";
import { LeafUsers } from "../../plan/leaf-users.ts";
import { makePlan, type Plan } from "../../plan/plan.ts";
import { bytesOf, type Home, type Root } from "../../plan/storage.ts";
import {
  type Backend,
  COMPILE,
  type CompileOptions,
  type FileStore,
  type Program,
  type ProgramDescription,
} from "../backend.ts";

/** Longest time without a breath: half a frame. */
const BREATH_MILLISECONDS = 8;

export interface CpuOptions {
  readonly files?: FileStore;
  /** Width of the floats: 32 (default) or 64. */
  readonly bits?: 32 | 64;
}

export class CpuBackend implements Backend {
  readonly kind = "cpu";
  readonly software = true;
  readonly timestamps = false;
  readonly isLost = false;
  readonly submitMilliseconds = 0;
  readonly maxTensorBytes = 2 ** 31;
  readonly starts = new StartValues();
  readonly files: FileStore | undefined;
  readonly adapter: string;
  closed = false;
  readonly #floatBytes: 4 | 8;
  readonly #memory = new CpuMemory();

  constructor(options: CpuOptions = {}) {
    const { bits = 32 } = checkOptions("CpuBackend", options, { files: "object", bits: "number" });
    if (bits !== 32 && bits !== 64) throw new ValueError(`CpuBackend: bits must be 32 or 64, got ${bits}`);
    this.files = options.files;
    this.#floatBytes = bits === 64 ? 8 : 4;
    this.adapter = `CPU reference (float${bits})`;
  }

  async compile(spec: GraphSpec, options: CompileOptions = {}): Promise<Program> {
    const { seed = 0 } = checkOptions("compile", options, COMPILE);
    this.#check();
    const plan = makePlan(spec, { copy });
    this.#placeLeaves(plan, seed);
    return new CpuProgram(spec, plan, this.#floatBytes, this.#memory);
  }

  #check(): void {
    this.#memory.check();
  }

  holds(leaf: Tensor): boolean {
    return this.#memory.leaves.has(leaf);
  }

  write(leaf: Tensor, data: Values, at?: number): void {
    this.#memory.at(leaf).set(valuesFor(leaf, data, at), at);
  }

  async read(leaf: Tensor): Promise<Data> {
    return this.#memory.at(leaf).slice();
  }

  async readAll(leaves: readonly Tensor[]): Promise<Data[]> {
    return leaves.map((leaf) => this.#memory.at(leaf).slice());
  }

  async close(): Promise<void> {
    this.closed = true;
    this.#memory.closed = true;
    this.#memory.leaves = new WeakMap();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  free(leaf: Tensor): void {
    this.starts.take(leaf);
    if (this.#memory.leaves.delete(leaf)) this.#memory.generation++;
  }

  freeUnused(leaves: Iterable<Tensor>): void {
    for (const leaf of leaves) if (!this.#memory.users.inUse(leaf)) this.free(leaf);
  }

  #make(leaf: Tensor, from: Data): Data {
    const data = typedView(
      new ArrayBuffer(leaf.size * bytesOf(leaf.dtype, this.#floatBytes)),
      leaf.dtype,
      this.#floatBytes,
      0,
      leaf.size,
    );
    data.set(from);
    return data;
  }

  /** Makes leaves that are new here; leaves of a pack are moved into one array, keeping their values. */
  #placeLeaves(plan: Plan, seed: number): void {
    const leaves = plan.graph.leaves();
    const firstValue = firstValues(leaves, seed);
    for (const leaf of leaves) {
      if (!this.#memory.leaves.has(leaf)) {
        this.#memory.leaves.set(leaf, this.#make(leaf, this.starts.take(leaf) ?? firstValue(leaf)));
      }
    }
  }
}

/** The leaves of a CPU reference. What nothing refers to any more goes by itself. */
class CpuMemory {
  leaves = new WeakMap<Tensor, Data>();
  readonly users = new LeafUsers((leaf) => this.leaves.delete(leaf));
  /** Grows when leaves are freed. */
  generation = 0;

  closed = false;

  check(): void {
    if (this.closed) throw new ClosedError();
  }

  at(leaf: Tensor): Data {
    this.check();
    const data = this.leaves.get(leaf);
    if (data === undefined) {
      throw new GraphError(
        `${leaf.label}: is not on this device; compile a graph that uses it first, or again if it was freed`,
      );
    }
    return data;
  }
}

class CpuProgram implements Program {
  #steps: { readonly node: Node; readonly tensors: Record<string, Data> }[] = [];
  /** Packs of states: gathered before a run and scattered after it, since leaves own their arrays here. */
  #gather: { readonly leaf: Data; readonly slice: Data }[] = [];
  #views = new Map<Tensor, Data>();
  #generation = -1;
  /** The arrays of the graph's leaves that the others are views of. */
  #bound: readonly Data[] = [];
  readonly #outputs: ReadonlyMap<Tensor, Tensor>;
  readonly #bytes: { state: number; slot: number };
  #breath = 0;

  constructor(
    spec: GraphSpec,
    readonly plan: Plan,
    readonly floatBytes: 4 | 8,
    readonly memory: CpuMemory,
  ) {
    const { graph, storage } = plan;
    this.#outputs = new Map(spec.outputs.map((t, i) => [t, plan.outputs[i] as Tensor]));
    this.#bytes = {
      state: [...storage.roots]
        .filter((r) => r.kind !== "slot")
        .reduce((sum, r) => sum + r.words * floatBytes, 0),
      slot: storage.slots.reduce((sum, words) => sum + words * floatBytes, 0),
    };
    this.#bind();
    memory.users.enter(this, graph.leaves(), () => undefined);
  }

  /** Makes the arrays of all tensors, those of leaves as they are in memory now. */
  #bind(): void {
    const { plan, floatBytes, memory } = this;
    const { graph, storage } = plan;
    const leafData = (leaf: Tensor) => memory.at(leaf);
    this.#generation = memory.generation;
    this.#bound = graph.leaves().map(leafData);
    this.#steps = [];
    this.#gather = [];
    this.#views = new Map();
    const slots = storage.slots.map((words) => new ArrayBuffer(words * floatBytes));
    const buffers = new Map<Root, ArrayBuffer>();
    const bufferOf = (root: Root): ArrayBuffer => {
      const known = buffers.get(root);
      if (known !== undefined) return known;
      const made =
        root.kind === "slot" ? (slots[root.slot] as ArrayBuffer) : new ArrayBuffer(root.words * floatBytes);
      buffers.set(root, made);
      return made;
    };
    const view = (t: Tensor): Data => {
      const known = this.#views.get(t);
      if (known !== undefined) return known;
      const { root, offset } = storage.homes.get(t) as Home;
      const ownArray = root.tensor?.leaf !== undefined && root.tensor.dtype === t.dtype;
      const made = ownArray
        ? leafData(root.tensor as Tensor)
        : typedView(bufferOf(root), t.dtype, floatBytes, offset, t.size);
      this.#views.set(t, made);
      return made;
    };
    for (const leaf of graph.leaves()) {
      const { root } = storage.homes.get(leaf) as Home;
      if (root.tensor !== leaf) this.#gather.push({ leaf: leafData(leaf), slice: view(leaf) });
    }
    for (const node of graph.nodes) {
      if (node.op.view !== undefined) continue;
      const tensors: Record<string, Data> = {};
      for (const name of node.op.args) if (!name.startsWith("...")) tensors[name] = new Float32Array(0);
      node.inputs.forEach((t, i) => {
        tensors[argName(node.op, i)] = view(t);
      });
      node.op.results.forEach((name, i) => {
        tensors[name] = view(node.outputs[i] as Tensor);
      });
      this.#steps.push({ node, tensors });
    }
    for (const t of plan.outputs) view(t);
  }

  /** Throws ClosedError where the program was destroyed, GraphError where one of its leaves was freed. */
  #settle(): void {
    this.memory.check();
    if (!this.memory.users.has(this)) {
      throw new ClosedError("program: was destroyed; compile its graph again to run or read it");
    }
    if (this.#generation === this.memory.generation) return;
    const moved = this.plan.graph.leaves().some((leaf, i) => this.memory.at(leaf) !== this.#bound[i]);
    if (moved) this.#bind();
    this.#generation = this.memory.generation;
  }

  destroy(): void {
    this.memory.users.leave(this);
    this.#steps = [];
    this.#gather = [];
    this.#views = new Map();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  run(times = 1): void {
    this.#settle();
    for (const { leaf, slice } of this.#gather) slice.set(leaf);
    for (let i = 0; i < times; i++) {
      for (const { node, tensors } of this.#steps) node.op.cpu(tensors, node.plan.constants);
    }
    for (const { leaf, slice } of this.#gather) leaf.set(slice);
  }

  /**
   * Lets the host breathe between runs: signals, timers and painting would else wait for the whole training. Not after
   * each of many tiny runs, since a timer takes a hundred times longer than they do.
   */
  async finished(): Promise<void> {
    this.memory.check();
    const now = performance.now();
    if (now - this.#breath < BREATH_MILLISECONDS) return;
    await new Promise<void>((resolve) =>
      setTimeout(() => {
        this.#breath = performance.now();
        resolve();
      }),
    );
  }

  async read(tensor: Tensor): Promise<Data> {
    this.#settle();
    const own = this.#outputs.get(tensor);
    if (own === undefined) throw new GraphError(`${tensor.label}: is not an output of this program`);
    return (this.#views.get(own) as Data).slice();
  }

  describe(): ProgramDescription {
    return {
      dispatches: this.#steps.length,
      pipelines: 0,
      stateBytes: this.#bytes.state,
      slotBytes: this.#bytes.slot,
      steps: this.#steps.map(({ node }) => node.label),
    };
  }
}

/** Elements `offset` words in; a word of the CPU reference is as wide as its floats, so 64-bit slices line up. */
function typedView(
  buffer: ArrayBuffer,
  dtype: DType,
  floatBytes: 4 | 8,
  offset: number,
  length: number,
): Data {
  const at = offset * floatBytes;
  if (dtype === "i32") return new Int32Array(buffer, at, length);
  if (dtype === "u32") return new Uint32Array(buffer, at, length);
  return floatBytes === 8 ? new Float64Array(buffer, at, length) : new Float32Array(buffer, at, length);
}
