/**
 * The executor of program images. It makes buffers, pipelines and bind groups once; `run` only replays the dispatches in one
 * compute pass and one submit, and creates nothing but the command buffer.
 */

import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import {
  type BufferImage,
  type DispatchImage,
  leavesOf,
  type ProgramImage,
  sourceOf,
} from "../../plan/image.ts";
import { ClosedError, DeviceError, GraphError } from "../../validation/errors.ts";
import type { CompileOptions, KernelTime, Program, ProgramDescription } from "../backend.ts";
import { firstValues } from "../initial-values.ts";
import type { GpuDevice } from "./device.ts";
import type { LeafMemory } from "./memory.ts";
import type { CompiledKernel, PipelineCache } from "./pipelines.ts";
import type { BufferLocation, ReadRange } from "./readback.ts";
import { timePasses } from "./timestamps.ts";

/** What all programs of a device share. */
export interface GpuResources {
  readonly device: GpuDevice;
  readonly memory: LeafMemory;
  readonly pipelines: PipelineCache;
}

/** The tensors that callers name the leaves and outputs of an image by, in its order. */
export interface ImageTensors {
  readonly leaves: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export interface GpuProgramOptions {
  /** Seed of states whose first value is drawn; default 0. */
  readonly seed?: number;
  readonly onProgress?: CompileOptions["onProgress"];
  /** Called once: when the program has run twice and those runs are done. `ready` calls it too and waits for it. */
  readonly afterFirstRuns?: (() => Promise<void>) | undefined;
}

interface Dispatch {
  readonly image: DispatchImage;
  readonly compiled: CompiledKernel;
  group: GPUBindGroup;
}

export class GpuProgram implements Program {
  #dispatches: Dispatch[] = [];
  #generation = -1;
  /** The program's own buffers by their index in the image; `LeafMemory` has those of leaves. */
  readonly #buffers = new Map<number, GPUBuffer>();
  /** The work that waits until the program has run; undefined once it has started. */
  #startDeferred: (() => Promise<void>) | undefined;
  #deferred: Promise<void> = Promise.resolve();
  #deferredFailure: unknown;
  #runs = 0;

  private constructor(
    readonly resources: GpuResources,
    readonly image: ProgramImage,
    readonly tensors: ImageTensors,
  ) {}

  static async create(
    resources: GpuResources,
    image: ProgramImage,
    tensors: ImageTensors,
    { seed = 0, onProgress, afterFirstRuns }: GpuProgramOptions = {},
  ): Promise<GpuProgram> {
    const { device, memory } = resources;
    const program = new GpuProgram(resources, image, tensors);
    // Compilation takes longest, so it starts first and buffers are made meanwhile.
    const compiling = program.#compile(onProgress);
    compiling.catch(() => undefined);
    let first: Awaited<typeof compiling>;
    try {
      await device.guard("compile: buffers", () => {
        program.#placeLeaves(seed);
        program.#makeBuffers();
        // Before the first wait: the last other user of a constant may be collected while pipelines compile.
        const free = destroyAll(device, [...program.#buffers.values()]);
        memory.users.enter(program, program.#leaves(), free);
      });
      first = await compiling;
      await device.guard("compile: bind groups", () => {
        // A program that was compiled meanwhile may have moved the states.
        program.#flattenLeaves();
        program.#dispatches = first.map((d) => ({ ...d, group: program.#bind(d.image, d.compiled) }));
        program.#generation = memory.generation;
      });
    } catch (error) {
      if (memory.users.has(program)) memory.users.leave(program);
      else for (const buffer of program.#buffers.values()) buffer.destroy();
      throw error;
    }
    if (afterFirstRuns !== undefined) {
      program.#startDeferred = async () => {
        await program.finished();
        await afterFirstRuns();
      };
    }
    return program;
  }

  run(times = 1): void {
    this.prepare(times);
    const { raw } = this.resources.device;
    const encoder = raw.createCommandEncoder();
    this.#encode(encoder, times, {});
    raw.queue.submit([encoder.finish()]);
  }

  /** Checks that the program can run, and makes it bind where its states are now. `times`: how often it will run. */
  prepare(times: number): void {
    this.#prepare();
    // The deferred work is not worth its time for a program that runs once.
    this.#runs += times;
    if (this.#runs > 1) void this.ready();
  }

  /** Encodes one run, after `prepare`. */
  encodeRun(pass: GPUComputePassEncoder): void {
    for (const dispatch of this.#dispatches) encode(pass, dispatch);
  }

  async runAndRead(tensors: readonly Tensor[]): Promise<Data[]> {
    this.prepare(1);
    const ranges = tensors.map((tensor) => this.#rangeOf(tensor));
    return this.resources.memory.reader.readAll(ranges, (encoder) => this.#encode(encoder, 1, {}));
  }

  ready(): Promise<void> {
    const start = this.#startDeferred;
    this.#startDeferred = undefined;
    if (start !== undefined) {
      this.#deferred = start();
      this.#deferred.catch((reason: unknown) => {
        this.#deferredFailure = reason;
      });
    }
    return this.#deferred;
  }

  finished(): Promise<void> {
    return this.resources.device.finished();
  }

  async read(tensor: Tensor): Promise<Data> {
    this.resources.device.check();
    this.#checkNotDestroyed();
    this.#bindAgain();
    const { location, dtype, length } = this.#rangeOf(tensor);
    return this.resources.memory.reader.read(location, dtype, length);
  }

  /** Runs the program once with a timestamp around every dispatch. Needs the feature timestamp-query. */
  async profile(): Promise<KernelTime[]> {
    const { device, memory } = this.resources;
    if (!device.timestamps) throw new DeviceError(`profile: ${device.name} has no timestamp-query`);
    await this.ready();
    this.#prepare();
    const times = await timePasses(device, memory.reader, this.#dispatches.length, (encoder, writes) => {
      this.#dispatches.forEach((dispatch, i) => {
        const pass = encoder.beginComputePass({ timestampWrites: writes(i) });
        encode(pass, dispatch);
        pass.end();
      });
    });
    return this.#dispatches.map(({ image: { label } }, i) => ({ label, milliseconds: times[i] as number }));
  }

  async time(times: number): Promise<number> {
    const { device, memory } = this.resources;
    await this.ready();
    this.#prepare();
    const begun = performance.now();
    if (device.timestamps) {
      const [clock = 0] = await timePasses(device, memory.reader, 1, (encoder, writes) =>
        this.#encode(encoder, times, { timestampWrites: writes(0) }),
      );
      // Some drivers offer the feature and always report 0.
      if (clock > 0) return clock;
    } else {
      this.run(times);
      await this.finished();
    }
    return performance.now() - begun;
  }

  describe(): ProgramDescription {
    const { buffers, dispatches } = this.image;
    const bytes = (roles: readonly string[]) =>
      buffers.reduce((sum, b) => sum + (roles.includes(b.role) ? b.bytes : 0), 0);
    return {
      dispatches: dispatches.length,
      pipelines: new Set(this.#dispatches.map((d) => d.compiled.pipeline)).size,
      stateBytes: bytes(["leaf", "flattened", "output"]),
      slotBytes: bytes(["workspace"]),
      steps: dispatches.map((d) => d.label),
    };
  }

  destroy(): void {
    this.resources.memory.users.leave(this);
    this.#dispatches = [];
    this.#startDeferred = undefined;
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #leaves(): Tensor[] {
    return this.image.buffers.flatMap(leavesOf).map((i) => this.#leaf(i));
  }

  #checkNotDestroyed(): void {
    if (!this.resources.memory.users.has(this)) {
      throw new ClosedError("program: was destroyed; compile its graph again to run or read it");
    }
  }

  async #compile(onProgress: CompileOptions["onProgress"]): Promise<Omit<Dispatch, "group">[]> {
    const { device, pipelines } = this.resources;
    const { dispatches } = this.image;
    for (const { label, groups } of dispatches) checkGroups(device, label, groups);
    const sources = dispatches.map(({ kernel }) => sourceOf(this.image, kernel));
    const compiled = await pipelines.compileAll(sources, onProgress);
    return dispatches.map((image, i) => ({ image, compiled: compiled[i] as CompiledKernel }));
  }

  #prepare(): void {
    this.#checkNotDestroyed();
    this.resources.device.check();
    if (this.#deferredFailure !== undefined) throw this.#deferredFailure;
    this.#bindAgain();
  }

  /** Where another program has moved states: flattens them as this program needs them, and makes its bind groups again. */
  #bindAgain(): void {
    const { memory } = this.resources;
    if (this.#generation === memory.generation) return;
    // Throws for freed leaves, which must not come back with their first values.
    for (const leaf of this.#leaves()) memory.locate(leaf);
    this.#flattenLeaves();
    for (const d of this.#dispatches) d.group = this.#bind(d.image, d.compiled);
    this.#generation = memory.generation;
  }

  #encode(encoder: GPUCommandEncoder, times: number, descriptor: GPUComputePassDescriptor): void {
    const pass = encoder.beginComputePass(descriptor);
    for (let i = 0; i < times; i++) this.encodeRun(pass);
    pass.end();
  }

  #placeLeaves(seed: number): void {
    const { buffers } = this.image;
    const firstValue = firstValues(this.#leaves(), seed);
    this.#flattenLeaves(firstValue);
    for (const b of buffers) {
      if (b.role === "leaf") this.resources.memory.ensure(this.#leaf(b.leaf), firstValue);
    }
  }

  /** Makes the states that this program wants flattened slices of one buffer each. */
  #flattenLeaves(firstValue = firstValues([], 0)): void {
    for (const b of this.image.buffers) {
      if (b.role !== "flattened") continue;
      const leaves = b.leaves.map((i) => this.#leaf(i));
      this.resources.memory.ensureFlattened(b.label, leaves, firstValue);
    }
  }

  /** Where output `tensor` is. Throws GraphError on other tensors. */
  #rangeOf(tensor: Tensor): ReadRange {
    const output = this.image.outputs[this.tensors.outputs.indexOf(tensor)];
    if (output === undefined) throw new GraphError(`${tensor.label}: is not an output of this program`);
    const { buffer, offset } = this.#locate(output.buffer);
    return {
      location: { buffer, offset: offset + output.offset },
      dtype: output.dtype,
      length: tensor.size,
    };
  }

  #leaf(index: number): Tensor {
    return this.tensors.leaves[index] as Tensor;
  }

  #makeBuffers(): void {
    const { device } = this.resources;
    this.image.buffers.forEach((image, i) => {
      if (leavesOf(image).length > 0) return;
      const buffer = device.createBuffer(image.label, image.bytes);
      this.#buffers.set(i, buffer);
      if (image.role === "sizes") device.raw.queue.writeBuffer(buffer, 0, new Uint32Array(image.words));
    });
  }

  /** Where buffer `index` of the image begins. Leaves move when another program wants them flattened. */
  #locate(index: number): BufferLocation {
    const [leaf] = leavesOf(this.image.buffers[index] as BufferImage);
    return leaf === undefined
      ? { buffer: this.#buffers.get(index) as GPUBuffer, offset: 0 }
      : this.resources.memory.locate(this.#leaf(leaf));
  }

  #bind({ label, bindings }: DispatchImage, { layout }: CompiledKernel): GPUBindGroup {
    const accesses = new Map<GPUBuffer, string>();
    const entries = layout.slots.map(({ binding, access }, i): GPUBindGroupEntry => {
      const [index, offset, size] = bindings[i] as DispatchImage["bindings"][number];
      const { buffer, offset: start } = this.#locate(index);
      if ((accesses.get(buffer) ?? access) !== access) {
        throw new GraphError(
          `${label}: reads and writes ${buffer.label} in one dispatch, which WebGPU forbids`,
        );
      }
      accesses.set(buffer, access);
      return { binding, resource: { buffer, offset: start + offset, size } };
    });
    return this.resources.device.raw.createBindGroup({ label, layout: layout.group, entries });
  }
}

function encode(pass: GPUComputePassEncoder, { compiled, group, image }: Dispatch): void {
  pass.setPipeline(compiled.pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...(image.groups as [number]));
}

/**
 * Makes a function that destroys `buffers`. It is made here because a function made in `create` would keep the program alive.
 * It refers to the device because Dawn can't destroy buffers of a device that was collected.
 */
function destroyAll(device: GpuDevice, buffers: readonly GPUBuffer[]): () => void {
  return () => {
    if (!device.isLost) for (const buffer of buffers) buffer.destroy();
  };
}

function checkGroups(device: GpuDevice, label: string, groups: readonly number[]): void {
  const most = device.limits.maxComputeWorkgroupsPerDimension;
  for (const n of groups) {
    if (!Number.isInteger(n) || n < 1 || n > most) {
      throw new DeviceError(
        `${label}: dispatches [${groups.join(", ")}] workgroups, but maxComputeWorkgroupsPerDimension is ${most}`,
      );
    }
  }
}
