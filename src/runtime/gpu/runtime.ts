/**
 * A WebGPU device with what its programs share: leaves and pipelines. It runs program images; `GpuBackend` is this and
 * compiles graphs too.
 */

import { GraphError } from "../../common/errors.ts";
import { checkOptions, type OptionKinds } from "../../common/options.ts";
import type { GraphSpec } from "../../graph/graph.ts";
import type { Data } from "../../graph/spec.ts";
import { type Tensor, valuesFor } from "../../graph/tensor.ts";
import type { Values } from "../../graph/values.ts";
import type { ProgramImage } from "../../plan/image.ts";
import type { StartValues } from "../../plan/initial.ts";
import type { Backend, CompileOptions, FileStore, Program, TuneStore } from "../backend.ts";
import { type DeviceOptions, GpuDevice } from "./device.ts";
import { LeafMemory } from "./memory.ts";
import { PipelineCache } from "./pipelines.ts";
import { GpuProgram, type GpuProgramOptions, type ImageTensors } from "./program.ts";
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

export const GPU = {
  limits: ["best", "default"],
  submitMilliseconds: "number",
  files: "object",
  tuneStore: "function",
  standIns: "boolean",
  reopen: "function",
  onClose: "function",
} as const satisfies OptionKinds<GpuOptions>;

export class GpuRuntime implements Backend {
  readonly kind = "webgpu";
  readonly submitMilliseconds: number;
  readonly files: FileStore | undefined;
  closed = false;
  readonly #replacement: Replacement;
  readonly memory: LeafMemory;
  readonly #onClose: () => Promise<void>;
  readonly #ownsDevice: boolean;
  #closing: Promise<void> | undefined;

  /** `open` makes one. */
  protected constructor(
    readonly device: GpuDevice,
    options: GpuOptions,
    onClose?: () => Promise<void>,
    readonly pipelines = new PipelineCache(device, options.standIns),
  ) {
    this.memory = new LeafMemory(device);
    this.submitMilliseconds = options.submitMilliseconds ?? 16;
    this.files = options.files;
    this.#ownsDevice = onClose === undefined;
    this.#onClose =
      onClose ??
      (async () => {
        device.destroy();
        await options.onClose?.();
      });
    this.#replacement = new Replacement(options.reopen, this.#onClose);
  }

  static async open(adapter: GPUAdapter, options: GpuOptions = {}): Promise<GpuRuntime> {
    checkOptions("GpuRuntime.open", options, GPU);
    return new GpuRuntime(await GpuDevice.open(adapter, options), options);
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

  compile(_spec: GraphSpec, _options?: CompileOptions): Promise<Program> {
    return Promise.reject(
      new GraphError("compile: programs compiled ahead of time run without a compiler for graphs"),
    );
  }

  /** Makes a program of `image`. */
  async load(image: ProgramImage, tensors: ImageTensors, options?: GpuProgramOptions): Promise<GpuProgram> {
    this.device.check();
    return GpuProgram.create(this, image, tensors, options);
  }

  get starts(): StartValues {
    return this.memory.starts;
  }

  holds(leaf: Tensor): boolean {
    return this.memory.has(leaf);
  }

  get maxTensorBytes(): number {
    return this.device.maxTensorBytes;
  }

  write(leaf: Tensor, data: Values, at?: number): void {
    this.device.check();
    const values = valuesFor(leaf, data, at);
    this.memory.write(leaf, values, at);
  }

  async read(leaf: Tensor): Promise<Data> {
    this.device.check();
    return this.memory.reader.read(this.memory.place(leaf), leaf.dtype, leaf.size);
  }

  async readAll(leaves: readonly Tensor[]): Promise<Data[]> {
    this.device.check();
    return this.memory.reader.readAll(
      leaves.map((t) => ({ place: this.memory.place(t), dtype: t.dtype, length: t.size })),
    );
  }

  free(leaf: Tensor): void {
    this.memory.free(leaf);
  }

  freeUnused(leaves: Iterable<Tensor>): void {
    for (const leaf of leaves) if (!this.memory.users.inUse(leaf)) this.memory.free(leaf);
  }

  finished(): Promise<void> {
    return this.device.finished();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.closed = true;
    if (this.#ownsDevice) this.device.markClosed();
    await this.pipelines.idle();
    this.memory.destroy();
    await this.#onClose();
    await this.#replacement.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
