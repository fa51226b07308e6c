/**
 * A plan made ready: buffers, pipelines, bind groups, a flat list of dispatches. `run` only replays it: one compute
 * pass, one submit, nothing created but the command buffer.
 */
import type { CompileOptions, KernelTime, Program, ProgramDescription } from "../backend.ts";
import { DeviceError, GraphError } from "../errors.ts";
import { argName, type Kernel, type KernelUse } from "../op.ts";
import { firstValues } from "../plan/initial.ts";
import type { Plan } from "../plan/plan.ts";
import { baseOf, type Home, paddedWords, type Root } from "../plan/storage.ts";
import type { Data, Node, Tensor } from "../tensor.ts";
import type { GpuDevice } from "./device.ts";
import type { LeafMemory } from "./memory.ts";
import type { CompiledKernel, PipelineCache } from "./pipelines.ts";
import type { Place } from "./readback.ts";

interface Dispatch {
  readonly node: Node;
  readonly kernel: Kernel;
  /** `kernel`, or its stand-in until that is compiled. */
  now: Kernel;
  /** Of `now`. */
  compiled: CompiledKernel;
  readonly label: string;
  /** Where its `sizes` lie, in bytes. */
  readonly sizesAt: number;
  group: GPUBindGroup;
}

export class GpuProgram implements Program {
  #dispatches: Dispatch[] = [];
  #generation = -1;
  readonly #buffers = new Map<Root, Place>();
  readonly #slots: GPUBuffer[] = [];
  readonly #nothing: GPUBuffer;
  /** Has kernels compiled and put in the place of their stand-ins; gone once it has been called. */
  #replace: (() => Promise<void>) | undefined;
  #replaced: Promise<void> = Promise.resolve();
  /** Why that was not possible. */
  #failure: unknown;
  #runs = 0;
  #sizes: GPUBuffer | undefined;
  readonly #outputs: ReadonlyMap<Tensor, Tensor>;

  private constructor(
    readonly device: GpuDevice,
    readonly memory: LeafMemory,
    readonly plan: Plan,
    wanted: readonly Tensor[],
  ) {
    this.#outputs = new Map(wanted.map((t, i) => [t, plan.outputs[i] as Tensor]));
    this.#nothing = device.createBuffer("missing input", 16);
  }

  static async create(
    device: GpuDevice,
    memory: LeafMemory,
    pipelines: PipelineCache,
    plan: Plan,
    wanted: readonly Tensor[],
    seed: number,
    onProgress: CompileOptions["onProgress"],
  ): Promise<GpuProgram> {
    const work = plan.graph.nodes.flatMap((node) =>
      (plan.kernels.get(node)?.kernels ?? []).map((kernel, _, all) => {
        const label = all.length > 1 ? `${node.label}.${kernel.entry}` : node.label;
        return { node, kernel, label };
      }),
    );
    // Compilation starts first: it takes longest, and buffers are made meanwhile.
    const compiling = pipelines.firstOf(work.map(useOf)).then(async (kernels) => {
      const first = work.map((w, i) => ({ ...w, now: kernels[i] as Kernel }));
      for (const { label, kernel, now } of first)
        for (const k of [kernel, now]) checkGroups(device, label, k);
      const uses = first.map(({ node, now }) => useOf({ node, kernel: now }));
      const compiled = await pipelines.compileAll(uses, onProgress);
      return first.map((w, i) => ({ ...w, compiled: compiled[i] as CompiledKernel }));
    });
    compiling.catch(() => undefined);
    const program = await device.guard("compile: buffers", () => {
      const made = new GpuProgram(device, memory, plan, wanted);
      made.#placeLeaves(seed);
      made.#makeBuffers();
      return made;
    });
    const compiled = await compiling;
    await device.guard("compile: bind groups", () => {
      const placed = program.#placeSizes(compiled);
      // Another program that was compiled meanwhile may have moved the states.
      program.#placePacks(firstValues([], 0));
      program.#dispatches = placed.map((d) => ({ ...d, group: program.#bind(d) }));
      program.#generation = memory.generation;
    });
    if (program.#dispatches.some(({ kernel, now }) => now !== kernel)) {
      program.#replace = () => program.#replaceStandIns(pipelines);
    }
    return program;
  }

  run(times = 1): void {
    this.#prepare();
    // A program that runs but once has no use for more.
    this.#runs += times;
    if (this.#runs > 1) void this.ready();
    const encoder = this.device.raw.createCommandEncoder();
    this.#encode(encoder, times, {});
    this.device.raw.queue.submit([encoder.finish()]);
  }

  async #replaceStandIns(pipelines: PipelineCache): Promise<void> {
    await this.finished();
    const compiled = await pipelines.compileAll(this.#dispatches.map(useOf));
    this.#dispatches.forEach((d, i) => {
      d.compiled = compiled[i] as CompiledKernel;
      d.now = d.kernel;
    });
  }

  ready(): Promise<void> {
    const replace = this.#replace;
    this.#replace = undefined;
    if (replace !== undefined) {
      this.#replaced = replace();
      this.#replaced.catch((reason: unknown) => {
        this.#failure = reason;
      });
    }
    return this.#replaced;
  }

  #prepare(): void {
    this.device.check();
    if (this.#failure !== undefined) throw this.#failure;
    this.#settle();
  }

  /** Brings states back into this program's packs, and binds anew, where another program has moved some. */
  #settle(): void {
    if (this.#generation === this.memory.generation) return;
    this.#placePacks(firstValues([], 0));
    for (const d of this.#dispatches) d.group = this.#bind(d);
    this.#generation = this.memory.generation;
  }

  #encode(encoder: GPUCommandEncoder, times: number, descriptor: GPUComputePassDescriptor): void {
    const pass = encoder.beginComputePass(descriptor);
    for (let i = 0; i < times; i++) {
      for (const { compiled, group, now } of this.#dispatches) {
        pass.setPipeline(compiled.pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...now.groups);
      }
    }
    pass.end();
  }

  finished(): Promise<void> {
    return this.device.finished();
  }

  async read(tensor: Tensor): Promise<Data> {
    const own = this.#outputs.get(tensor);
    if (own === undefined) throw new GraphError(`${tensor.label}: is not an output of this program`);
    this.#settle();
    return this.memory.reader.read(this.#place(own), own.dtype, own.size);
  }

  /** Runs the graph once with a timestamp around every dispatch. Needs the feature timestamp-query. */
  async profile(): Promise<KernelTime[]> {
    if (!this.device.timestamps) throw new DeviceError(`profile: ${this.device.name} has no timestamp-query`);
    await this.ready();
    this.#prepare();
    const { timed } = await import("./timestamps.ts");
    const times = await timed(this.device, this.memory.reader, this.#dispatches.length, (encoder, writes) => {
      this.#dispatches.forEach(({ compiled, group, now }, i) => {
        const pass = encoder.beginComputePass({ timestampWrites: writes(i) });
        pass.setPipeline(compiled.pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...now.groups);
        pass.end();
      });
    });
    return this.#dispatches.map(({ label }, i) => ({ label, milliseconds: times[i] as number }));
  }

  async time(times: number): Promise<number> {
    await this.ready();
    this.#prepare();
    const { timed } = await import("./timestamps.ts");
    const begun = performance.now();
    if (this.device.timestamps) {
      const [clock = 0] = await timed(this.device, this.memory.reader, 1, (encoder, writes) =>
        this.#encode(encoder, times, { timestampWrites: writes(0) }),
      );
      // Some drivers have the feature and no clock behind it.
      if (clock > 0) return clock;
    } else {
      this.run(times);
      await this.finished();
    }
    return performance.now() - begun;
  }

  describe(): ProgramDescription {
    const { storage } = this.plan;
    return {
      dispatches: this.#dispatches.length,
      pipelines: new Set(this.#dispatches.map((d) => d.compiled.pipeline)).size,
      stateBytes: storage.roots.reduce((sum, r) => sum + (r.kind === "slot" ? 0 : r.words * 4), 0),
      slotBytes: storage.slots.reduce((sum, words) => sum + words * 4, 0),
      steps: this.#dispatches.map((d) => d.label),
    };
  }

  destroy(): void {
    for (const buffer of this.#slots) buffer.destroy();
    for (const [root, place] of this.#buffers) if (root.kind === "kept") place.buffer.destroy();
    this.#nothing.destroy();
    this.#sizes?.destroy();
  }

  #placeLeaves(seed: number): void {
    const leaves = this.plan.graph.leaves();
    const firstValue = firstValues(leaves, seed);
    const packed = this.#placePacks(firstValue);
    for (const leaf of leaves) if (!packed.has(leaf)) this.memory.ensure(leaf, firstValue);
  }

  /** Moves states into the packs of this program, where another program has put them elsewhere. Returns those in packs. */
  #placePacks(firstValue: (leaf: Tensor) => Data): Set<Tensor> {
    const packed = new Set<Tensor>();
    for (const node of this.plan.graph.nodes) {
      const bases = node.inputs.map(baseOf);
      if (node.op.view !== "pack" || bases[0]?.leaf === undefined) continue;
      const root = (this.plan.storage.homes.get(node.outputs[0] as Tensor) as Home).root;
      this.#buffers.set(root, this.memory.ensurePack(node.label, bases, firstValue));
      for (const t of bases) packed.add(t);
    }
    return packed;
  }

  #makeBuffers(): void {
    const { roots, slots } = this.plan.storage;
    this.#slots.push(...slots.map((words, i) => this.device.createBuffer(`slot ${i}`, words * 4)));
    for (const root of roots) {
      if (root.kind === "kept") {
        this.#buffers.set(root, { buffer: this.device.createBuffer(root.label, root.words * 4), offset: 0 });
      }
    }
  }

  #place(tensor: Tensor): Place {
    const base = baseOf(tensor);
    // Leaves are asked for by name: their place can change when another program packs them.
    if (base.leaf !== undefined) return this.memory.place(base);
    return this.#at(this.plan.storage.homes.get(base) as Home);
  }

  #at({ root, offset }: Home): Place {
    const place =
      root.kind === "slot"
        ? { buffer: this.#slots[root.slot] as GPUBuffer, offset: 0 }
        : (this.#buffers.get(root) as Place);
    return { buffer: place.buffer, offset: place.offset + offset * 4 };
  }

  /** Writes the `sizes` of all kernels into one buffer, every place of which WebGPU can bind. */
  #placeSizes<D extends Omit<Dispatch, "group" | "sizesAt">>(all: readonly D[]): (D & { sizesAt: number })[] {
    const words: number[] = [];
    const placed = all.map((d) => {
      const sizesAt = words.length * 4;
      words.push(...d.compiled.text.sizesOf({ ...d.node.plan.constants, ...d.kernel.constants }));
      while (words.length % 64 > 0) words.push(0);
      return { ...d, sizesAt };
    });
    if (words.length > 0) {
      this.#sizes = this.device.createBuffer("sizes", words.length * 4);
      this.device.raw.queue.writeBuffer(this.#sizes, 0, new Uint32Array(words));
    }
    return placed;
  }

  #bind({ node, kernel, compiled, label, sizesAt }: Omit<Dispatch, "group">): GPUBindGroup {
    const access = new Map<GPUBuffer, string>();
    const entries = kernel.bind.map((b): GPUBindGroupEntry => {
      const [variable, name] = typeof b === "string" ? [b, b] : b;
      const declared = compiled.text.bindings.get(variable);
      if (declared === undefined)
        throw new GraphError(`${label}: ${kernel.shader.file} has no variable ${variable}`);
      const { place, words } = this.#resolve(node, name);
      const earlier = access.get(place.buffer);
      if (earlier !== undefined && earlier !== declared.access) {
        throw new GraphError(
          `${label}: reads and writes ${place.buffer.label} in one dispatch, which WebGPU forbids`,
        );
      }
      access.set(place.buffer, declared.access);
      return {
        binding: declared.binding,
        resource: { buffer: place.buffer, offset: place.offset, size: words * 4 },
      };
    });
    const { bindings, sizes } = compiled.text;
    const binding = bindings.get("sizes")?.binding;
    if (binding !== undefined && this.#sizes !== undefined) {
      entries.push({ binding, resource: { buffer: this.#sizes, offset: sizesAt, size: sizes.length * 4 } });
    }
    return this.device.raw.createBindGroup({ label, layout: compiled.layout, entries });
  }

  /** The memory behind an arg, result or scratch name of a node. */
  #resolve(node: Node, name: string): { place: Place; words: number } {
    const scratch = this.plan.storage.scratch.get(node)?.get(name);
    if (scratch !== undefined) return { place: this.#at(scratch), words: scratch.root.words };
    const input = node.inputs.findIndex((_, i) => argName(node.op, i) === name);
    const tensor = node.inputs[input] ?? node.outputs[node.op.results.indexOf(name)];
    if (tensor !== undefined) return { place: this.#place(tensor), words: paddedWords(tensor.size) };
    if (node.op.args.includes(name)) return { place: { buffer: this.#nothing, offset: 0 }, words: 4 };
    throw new GraphError(
      `${node.op.name}: a kernel binds ${name}, which is no arg, result or scratch of the op`,
    );
  }
}

function useOf({ node, kernel }: Pick<Dispatch, "node" | "kernel">): KernelUse {
  return { kernel, constants: node.plan.constants };
}

function checkGroups(device: GpuDevice, label: string, kernel: Kernel): void {
  const most = device.limits.maxComputeWorkgroupsPerDimension;
  for (const n of kernel.groups) {
    if (n === undefined || !Number.isInteger(n) || n < 1 || n > most) {
      throw new DeviceError(
        `${label}: dispatches [${kernel.groups.join(", ")}] workgroups, but maxComputeWorkgroupsPerDimension is ${most}`,
      );
    }
  }
}
