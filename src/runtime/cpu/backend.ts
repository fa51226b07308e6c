/**
 * The CPU reference: runs a graph unfused, node by node in JavaScript, with 32-bit or 64-bit floats. It is slow and simple;
 * every kernel is checked against it.
 */

import type { GraphSpec } from "../../graph/graph.ts";
import { argName } from "../../graph/op.ts";
import type { Data, DType } from "../../graph/spec.ts";
import { type Node, type Tensor, valuesFor } from "../../graph/tensor.ts";
import type { Values, ValuesOf } from "../../graph/values.ts";
import { copy } from "../../ops/elementwise/copy.ts";
import { makePlan, type Plan } from "../../plan/plan.ts";
import type { Allocation, Placement } from "../../plan/storage.ts";
import { ClosedError, GraphError, ValueError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import {
  type Backend,
  COMPILE,
  type CompileOptions,
  type FileStore,
  type Program,
  type ProgramDescription,
  type SequencePart,
} from "../backend.ts";
import { firstValues, StartValues } from "../initial-values.ts";
import { LeafUsers } from "../leaf-users.ts";
import { ProgramSequence } from "../program-sequence.ts";

/** Longest time without giving the host a turn: half a frame. */
const TURN_MILLISECONDS = 8;

/** Bytes of a float; memory is counted in units of this size, so that 64-bit slices are aligned. */
type FloatBytes = 4 | 8;

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
  readonly #memory: LeafArrays;

  constructor(options: CpuOptions = {}) {
    const { bits = 32 } = checkOptions("CpuBackend", options, { files: "object", bits: "number" });
    if (bits !== 32 && bits !== 64) throw new ValueError(`CpuBackend: bits must be 32 or 64, got ${bits}`);
    this.files = options.files;
    this.#memory = new LeafArrays(bits === 64 ? 8 : 4);
    this.adapter = `CPU reference (float${bits})`;
  }

  get closed(): boolean {
    return this.#memory.closed;
  }

  async compile(spec: GraphSpec, options: CompileOptions = {}): Promise<Program> {
    const { seed = 0, variants = {} } = checkOptions("compile", options, COMPILE);
    const memory = this.#memory;
    memory.check();
    const plan = makePlan(spec, { copy, variants });
    const leaves = plan.graph.leaves();
    const firstValue = firstValues(leaves, seed);
    for (const leaf of leaves) {
      if (!memory.leaves.has(leaf)) memory.add(leaf, this.starts.take(leaf) ?? firstValue(leaf));
    }
    return new CpuProgram(spec, plan, memory);
  }

  sequence(parts: readonly SequencePart[]): Program {
    return new ProgramSequence(parts);
  }

  holds(leaf: Tensor): boolean {
    return this.#memory.leaves.has(leaf);
  }

  write<D extends DType, V extends Values>(leaf: Tensor<D>, data: V & ValuesOf<D, V>, at?: number): void {
    this.#memory.at(leaf).set(valuesFor(leaf, data, at), at);
  }

  async read(leaf: Tensor): Promise<Data> {
    return this.#memory.at(leaf).slice();
  }

  async readAll(leaves: readonly Tensor[]): Promise<Data[]> {
    return leaves.map((leaf) => this.#memory.at(leaf).slice());
  }

  async close(): Promise<void> {
    this.#memory.closed = true;
    this.#memory.leaves = new WeakMap();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  free(leaf: Tensor): void {
    this.starts.take(leaf);
    this.#memory.leaves.delete(leaf);
  }

  freeUnused(leaves: Iterable<Tensor>): void {
    for (const leaf of leaves) if (!this.#memory.users.inUse(leaf)) this.free(leaf);
  }
}

/** The arrays of one CPU reference's leaves. The garbage collector frees those of unreachable leaves. */
class LeafArrays {
  leaves = new WeakMap<Tensor, Data>();
  readonly users = new LeafUsers((leaf) => this.leaves.delete(leaf));
  closed = false;

  constructor(readonly floatBytes: FloatBytes) {}

  check(): void {
    if (this.closed) throw new ClosedError();
  }

  add(leaf: Tensor, values: Data): void {
    const buffer = new ArrayBuffer(leaf.size * (leaf.dtype === "f32" ? this.floatBytes : 4));
    const data = typedView(buffer, leaf.dtype, this.floatBytes, 0, leaf.size);
    data.set(values);
    this.leaves.set(leaf, data);
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

/** What a program reads and writes. Made again when a leaf got another array because it was freed in between. */
interface Bound {
  readonly leaves: readonly Data[];
  readonly steps: readonly { readonly node: Node; readonly tensors: Record<string, Data> }[];
  /** Members of flattened buffers: every leaf has an array of its own, so values are copied before and after a run. */
  readonly flattened: readonly { readonly leaf: Data; readonly slice: Data }[];
  readonly outputs: readonly Data[];
}

class CpuProgram implements Program {
  readonly #leaves: readonly Tensor[];
  #bound: Bound;
  #lastTurn = 0;

  constructor(
    readonly spec: GraphSpec,
    readonly plan: Plan,
    readonly memory: LeafArrays,
  ) {
    this.#leaves = plan.graph.leaves();
    this.#bound = bind(plan, memory);
    memory.users.enter(this, this.#leaves, () => undefined);
  }

  /** Throws ClosedError where the program was destroyed, GraphError where one of its leaves was freed. */
  #settle(): Bound {
    this.memory.check();
    if (!this.memory.users.has(this)) {
      throw new ClosedError("program: was destroyed; compile its graph again to run or read it");
    }
    const moved = this.#leaves.some((leaf, i) => this.memory.at(leaf) !== this.#bound.leaves[i]);
    if (moved) this.#bound = bind(this.plan, this.memory);
    return this.#bound;
  }

  destroy(): void {
    this.memory.users.leave(this);
    this.#bound = { leaves: [], steps: [], flattened: [], outputs: [] };
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  run(times = 1): void {
    const { steps, flattened } = this.#settle();
    for (const { leaf, slice } of flattened) slice.set(leaf);
    for (let i = 0; i < times; i++) {
      for (const { node, tensors } of steps) node.op.cpu(tensors, node.plan.constants);
    }
    for (const { leaf, slice } of flattened) leaf.set(slice);
  }

  /**
   * Gives the host a turn between runs, because signals, timers and painting would otherwise wait for the whole training;
   * not after every one of many tiny runs, because a timer takes a hundred times as long as they do.
   */
  async finished(): Promise<void> {
    this.memory.check();
    if (performance.now() - this.#lastTurn < TURN_MILLISECONDS) return;
    await new Promise<void>((resolve) => setTimeout(resolve));
    this.#lastTurn = performance.now();
  }

  async read(tensor: Tensor): Promise<Data> {
    const { outputs } = this.#settle();
    const data = outputs[this.spec.outputs.indexOf(tensor)];
    if (data === undefined) throw new GraphError(`${tensor.label}: is not an output of this program`);
    return data.slice();
  }

  async runAndRead(tensors: readonly Tensor[]): Promise<Data[]> {
    this.run();
    const values = await Promise.all(tensors.map((tensor) => this.read(tensor)));
    await this.finished();
    return values;
  }

  describe(): ProgramDescription {
    const { allocations, slots } = this.plan.storage;
    const lasting = allocations.filter(({ kind }) => kind !== "slot").map(({ words }) => words);
    const bytes = (words: readonly number[]) =>
      words.reduce((sum, count) => sum + count * this.memory.floatBytes, 0);
    const { steps } = this.#bound;
    return {
      dispatches: steps.length,
      pipelines: 0,
      stateBytes: bytes(lasting),
      slotBytes: bytes(slots),
      steps: steps.map(({ node }) => node.label),
    };
  }
}

/** Makes the arrays of all tensors; those of leaves are the ones in memory. */
function bind({ graph, storage, outputs }: Plan, memory: LeafArrays): Bound {
  const { floatBytes } = memory;
  const slots = storage.slots.map((words) => new ArrayBuffer(words * floatBytes));
  const buffers = new Map<Allocation, ArrayBuffer>();
  const bufferOf = (allocation: Allocation): ArrayBuffer => {
    if (allocation.kind === "slot") return slots[allocation.slot] as ArrayBuffer;
    const buffer = buffers.get(allocation) ?? new ArrayBuffer(allocation.words * floatBytes);
    buffers.set(allocation, buffer);
    return buffer;
  };
  const views = new Map<Tensor, Data>();
  const view = (t: Tensor): Data => {
    const known = views.get(t);
    if (known !== undefined) return known;
    const { allocation, offset } = storage.placements.get(t) as Placement;
    const { tensor } = allocation;
    const made =
      tensor?.leaf !== undefined && tensor.dtype === t.dtype
        ? memory.at(tensor)
        : typedView(bufferOf(allocation), t.dtype, floatBytes, offset, t.size);
    views.set(t, made);
    return made;
  };
  const leaves = graph.leaves();
  return {
    leaves: leaves.map((leaf) => memory.at(leaf)),
    steps: graph.nodes
      .filter(({ op }) => op.view === undefined)
      .map((node) => {
        const { op, inputs } = node;
        const missing = op.args.filter((name) => !name.startsWith("..."));
        const entries = [
          ...missing.map((name) => [name, new Float32Array(0)] as const),
          ...inputs.map((t, i) => [argName(op, i), view(t)] as const),
          ...op.results.map((name, i) => [name, view(node.outputs[i] as Tensor)] as const),
        ];
        return { node, tensors: Object.fromEntries(entries) };
      }),
    flattened: leaves
      .filter((leaf) => storage.placements.get(leaf)?.allocation.tensor !== leaf)
      .map((leaf) => ({ leaf: memory.at(leaf), slice: view(leaf) })),
    outputs: outputs.map(view),
  };
}

/** The `length` elements that begin `offset` units of `floatBytes` into `buffer`. */
function typedView(
  buffer: ArrayBuffer,
  dtype: DType,
  floatBytes: FloatBytes,
  offset: number,
  length: number,
): Data {
  const at = offset * floatBytes;
  if (dtype === "i32") return new Int32Array(buffer, at, length);
  if (dtype === "u32") return new Uint32Array(buffer, at, length);
  return floatBytes === 8 ? new Float64Array(buffer, at, length) : new Float32Array(buffer, at, length);
}
