/** The WebGPU backend: compiles graphs for one device and owns what they share (leaves, pipelines). */
import {
  type Backend,
  COMPILE,
  type CompileOptions,
  type FileStore,
  TUNE,
  type TuneStore,
} from "../backend.ts";
import type { KernelUse } from "../op.ts";
import { copy } from "../ops/copy.ts";
import { rewrites } from "../ops/rewrites.ts";
import { checkOptions, type OptionKinds } from "../options.ts";
import type { GraphSpec } from "../plan/graph.ts";
import { ImageBuilder, kernelSource } from "../plan/image.ts";
import type { StartValues } from "../plan/initial.ts";
import { type Choose, makePlan, type Plan } from "../plan/plan.ts";
import { type Data, type Tensor, valuesFor } from "../tensor.ts";
import type { Values } from "../values.ts";
import { type DeviceOptions, GpuDevice } from "./device.ts";
import { LeafMemory } from "./memory.ts";
import { PipelineCache } from "./pipelines.ts";
import { GpuProgram } from "./program.ts";
import { Replacement } from "./replacement.ts";

export interface GpuOptions extends DeviceOptions {
  /** Default 16, about a frame. */
  readonly submitMilliseconds?: number;
  readonly files?: FileStore | undefined;
  /** Where kernel choices are kept; asked for when something is tuned. Default: nowhere. */
  readonly tuneStore?: (() => Promise<TuneStore>) | undefined;
  /** Whether kernels that others can stand in for are compiled only after a program's first run; default true. */
  readonly standIns?: boolean;
  /** How to get another device when this one is lost. */
  readonly reopen?: () => Promise<Backend>;
  /** Called by `close` once the device is destroyed. */
  readonly onClose?: () => Promise<void>;
}

const GPU = {
  limits: ["best", "default"],
  submitMilliseconds: "number",
  files: "object",
  tuneStore: "function",
  standIns: "boolean",
  reopen: "function",
  onClose: "function",
} as const satisfies OptionKinds<GpuOptions>;

export class GpuBackend implements Backend {
  readonly kind = "webgpu";
  readonly submitMilliseconds: number;
  readonly files: FileStore | undefined;
  closed = false;
  readonly #replacement: Replacement;
  readonly #memory: LeafMemory;
  readonly #pipelines: PipelineCache;
  readonly #onClose: () => Promise<void>;
  readonly #tuneStore: GpuOptions["tuneStore"];

  private constructor(
    readonly device: GpuDevice,
    options: GpuOptions,
    onClose: () => Promise<void>,
    pipelines = new PipelineCache(device, options.standIns),
  ) {
    this.#memory = new LeafMemory(device);
    this.#pipelines = pipelines;
    this.submitMilliseconds = options.submitMilliseconds ?? 16;
    this.files = options.files;
    this.#replacement = new Replacement(options.reopen, onClose);
    this.#onClose = onClose;
    this.#tuneStore = options.tuneStore;
  }

  static async open(adapter: GPUAdapter, options: GpuOptions = {}): Promise<GpuBackend> {
    checkOptions("GpuBackend.open", options, GPU);
    const device = await GpuDevice.open(adapter, options);
    return new GpuBackend(device, options, async () => {
      device.destroy();
      await options.onClose?.();
    });
  }

  get reopen(): (() => Promise<Backend>) | undefined {
    return this.closed ? undefined : this.#replacement.open;
  }

  get isLost(): boolean {
    return this.device.isLost;
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
    const given = checkOptions("compile", options, COMPILE);
    const { variants = {}, fuse = true, seed = 0, tune = false, onProgress } = given;
    if (typeof tune !== "boolean") checkOptions("compile: tune", tune, TUNE);
    const { limits } = this.device;
    const env = {
      software: this.software,
      maxWorkgroupSize: limits.maxComputeInvocationsPerWorkgroup,
      maxWorkgroupMemory: limits.maxComputeWorkgroupStorageSize,
      subgroupSize: this.device.subgroupSize,
    };
    const resources = { device: this.device, memory: this.#memory, pipelines: this.#pipelines };
    const plan = (choose?: Choose) =>
      makePlan(spec, { copy, rewrites: fuse ? rewrites(variants) : [], variants, env, choose });
    const program = async (made: Plan) => {
      const builder = new ImageBuilder();
      const image = await builder.add(made);
      const tensors = { leaves: builder.tensors, outputs: spec.outputs };
      return GpuProgram.create(resources, image, tensors, { seed, onProgress });
    };
    if (tune === false) return program(plan());
    const { tuned } = await import("../tune/tuned.ts");
    const store = await this.#tuneStore?.();
    const adapter = this.device.identity;
    // Of its own, so that the pipelines that lose are not kept.
    const pipelines = new PipelineCache(this.device, false);
    const bench = () => new GpuBackend(this.device, {}, async () => undefined, pipelines);
    const warm = async (kernels: readonly KernelUse[]) => {
      await Promise.allSettled(kernels.map(async (use) => pipelines.compile(await kernelSource(use))));
    };
    const target = { backend: this, adapter, env, forced: variants, store, plan, program, bench, warm };
    try {
      return await tuned(target, tune === true ? {} : tune);
    } finally {
      this.#memory.reader.trim();
    }
  }

  get starts(): StartValues {
    return this.#memory.starts;
  }

  holds(leaf: Tensor): boolean {
    return this.#memory.has(leaf);
  }

  get maxTensorBytes(): number {
    return this.device.maxTensorBytes;
  }

  write(leaf: Tensor, data: Values, at?: number): void {
    const values = valuesFor(leaf, data, at);
    this.device.check();
    this.#memory.write(leaf, values, at);
  }

  read(leaf: Tensor): Promise<Data> {
    return this.#memory.reader.read(this.#memory.place(leaf), leaf.dtype, leaf.size);
  }

  readAll(leaves: readonly Tensor[]): Promise<Data[]> {
    return this.#memory.reader.readAll(
      leaves.map((t) => ({ place: this.#memory.place(t), dtype: t.dtype, length: t.size })),
    );
  }

  finished(): Promise<void> {
    return this.device.finished();
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.#pipelines.idle();
    this.#memory.destroy();
    await this.#onClose();
    await this.#replacement.close();
  }
}
