/** The WebGPU backend: compiles graphs for one device and owns what they share (leaves, pipelines). */
import type { Backend, CompileOptions, FileStore } from "../backend.ts";
import { copy } from "../ops/copy.ts";
import { rewrites } from "../ops/rewrites.ts";
import type { GraphSpec } from "../plan/graph.ts";
import { checkLength } from "../plan/initial.ts";
import { makePlan } from "../plan/plan.ts";
import type { Data, Tensor } from "../tensor.ts";
import { type DeviceOptions, GpuDevice } from "./device.ts";
import { LeafMemory } from "./memory.ts";
import { PipelineCache } from "./pipelines.ts";
import { GpuProgram } from "./program.ts";

export interface GpuOptions extends DeviceOptions {
  /** Default 16, about a frame. */
  readonly submitMilliseconds?: number;
  readonly files?: FileStore | undefined;
  /** How to get another device when this one is lost. */
  readonly reopen?: () => Promise<Backend>;
  /** Called by `close` once the device is destroyed. */
  readonly onClose?: () => Promise<void>;
}

export class GpuBackend implements Backend {
  readonly kind = "webgpu";
  readonly submitMilliseconds: number;
  readonly files: FileStore | undefined;
  readonly reopen: (() => Promise<Backend>) | undefined;
  readonly #memory: LeafMemory;
  readonly #pipelines: PipelineCache;
  readonly #onClose: (() => Promise<void>) | undefined;

  private constructor(
    readonly device: GpuDevice,
    options: GpuOptions,
  ) {
    this.#memory = new LeafMemory(device);
    this.#pipelines = new PipelineCache(device);
    this.submitMilliseconds = options.submitMilliseconds ?? 16;
    this.files = options.files;
    this.reopen = options.reopen;
    this.#onClose = options.onClose;
  }

  static async open(adapter: GPUAdapter, options: GpuOptions = {}): Promise<GpuBackend> {
    return new GpuBackend(await GpuDevice.open(adapter, options), options);
  }

  get adapter(): string {
    return this.device.name;
  }

  get software(): boolean {
    return this.device.software;
  }

  get timestamps(): boolean {
    return this.device.timestamps;
  }

  async compile(spec: GraphSpec, options: CompileOptions = {}): Promise<GpuProgram> {
    const { limits } = this.device;
    const plan = makePlan(spec, {
      copy,
      rewrites: options.fuse === false ? [] : rewrites(options.variants ?? {}),
      variants: options.variants ?? {},
      env: {
        software: this.software,
        maxWorkgroupSize: limits.maxComputeInvocationsPerWorkgroup,
        maxWorkgroupMemory: limits.maxComputeWorkgroupStorageSize,
        subgroupSize: this.device.subgroupSize,
      },
    });
    return GpuProgram.create(
      this.device,
      this.#memory,
      this.#pipelines,
      plan,
      spec.outputs,
      options.seed ?? 0,
    );
  }

  holds(leaf: Tensor): boolean {
    return this.#memory.has(leaf);
  }

  get maxTensorBytes(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  write(leaf: Tensor, data: Data, at?: number): void {
    checkLength(leaf, data, at);
    this.device.check();
    this.#memory.write(leaf, data, at);
  }

  read(leaf: Tensor): Promise<Data> {
    return this.#memory.read(this.#memory.place(leaf), leaf.dtype, leaf.size);
  }

  readAll(leaves: readonly Tensor[]): Promise<Data[]> {
    return this.#memory.readAll(
      leaves.map((t) => ({ place: this.#memory.place(t), dtype: t.dtype, length: t.size })),
    );
  }

  async close(): Promise<void> {
    this.#memory.destroy();
    this.device.destroy();
    await this.#onClose?.();
  }
}
