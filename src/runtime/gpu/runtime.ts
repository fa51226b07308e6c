/**
 * The WebGPU backend without a compiler: a device with the memory and pipelines that its programs share, which runs program
 * images. `GpuBackend` extends it by compiling graphs; a page with an ahead-of-time program loads only this.
 */

import type { GraphSpec } from "../../graph/graph.ts";
import type { Data, DType } from "../../graph/spec.ts";
import { type Tensor, valuesFor } from "../../graph/tensor.ts";
import type { Values, ValuesOf } from "../../graph/values.ts";
import type { ProgramImage } from "../../plan/image.ts";
import { GraphError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds } from "../../validation/options.ts";
import type { Backend, CompileOptions, FileStore, Program, SequencePart, TuneStore } from "../backend.ts";
import type { StartValues } from "../initial-values.ts";
import { type DeviceOptions, GpuDevice } from "./device.ts";
import { LeafMemory } from "./memory.ts";
import { PipelineCache } from "./pipelines.ts";
import { GpuProgram, type GpuProgramOptions, type ImageTensors } from "./program.ts";
import { GpuSequence } from "./sequence.ts";

export interface GpuOptions extends DeviceOptions {
  /** Default 16, about a frame. */
  readonly submitMilliseconds?: number;
  readonly files?: FileStore | undefined;
  /** Opens the store of tuned kernel choices when something is tuned. Default: none. */
  readonly tuneStore?: (() => Promise<TuneStore>) | undefined;
  /** Opens another device when this one was lost. */
  readonly reopen?: () => Promise<Backend>;
  /** Called by `close` once the device is destroyed. */
  readonly onClose?: () => Promise<void>;
}

export const GPU = {
  limits: ["best", "default"],
  submitMilliseconds: "number",
  files: "object",
  tuneStore: "function",
  reopen: "function",
  onClose: "function",
} as const satisfies OptionKinds<GpuOptions>;

export class GpuRuntime implements Backend {
  readonly kind = "webgpu";
  readonly submitMilliseconds: number;
  readonly files: FileStore | undefined;
  closed = false;
  readonly #open: (() => Promise<Backend>) | undefined;
  /** The device that took the place of this one after it was lost. */
  #replacement: Promise<Backend> | undefined;
  readonly memory: LeafMemory;
  readonly #onClose: () => Promise<void>;
  readonly #ownsDevice: boolean;
  #closing: Promise<void> | undefined;

  protected constructor(
    readonly device: GpuDevice,
    options: GpuOptions,
    onClose?: () => Promise<void>,
    readonly pipelines = new PipelineCache(device),
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
    this.#open = options.reopen;
  }

  static async open(adapter: GPUAdapter, options: GpuOptions = {}): Promise<GpuRuntime> {
    checkOptions("GpuRuntime.open", options, GPU);
    return new GpuRuntime(await GpuDevice.open(adapter, options), options);
  }

  get reopen(): (() => Promise<Backend>) | undefined {
    const open = this.#open;
    return this.closed || open === undefined ? undefined : () => this.#replace(open);
  }

  /** Opens one device for all who ask, and lets go of this one. A failed attempt may be repeated. */
  #replace(open: () => Promise<Backend>): Promise<Backend> {
    this.#replacement ??= Promise.resolve().then(async () => {
      const backend = await open();
      await this.#onClose();
      return backend;
    });
    this.#replacement.catch(() => {
      this.#replacement = undefined;
    });
    return this.#replacement;
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
      new GraphError(
        "compile: this device only runs ahead-of-time programs; open one with openDevice to compile graphs",
      ),
    );
  }

  /** Makes `image` ready to run: compiles its pipelines and allocates its buffers. */
  async load(image: ProgramImage, tensors: ImageTensors, options?: GpuProgramOptions): Promise<GpuProgram> {
    this.device.check();
    return GpuProgram.create(this, image, tensors, options);
  }

  sequence(parts: readonly SequencePart[]): Program {
    return new GpuSequence(this, parts as readonly SequencePart<GpuProgram>[]);
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

  write<D extends DType, V extends Values>(leaf: Tensor<D>, data: V & ValuesOf<D, V>, at?: number): void {
    this.device.check();
    this.memory.write(leaf, valuesFor(leaf, data, at), at);
  }

  async read(leaf: Tensor): Promise<Data> {
    this.device.check();
    return this.memory.reader.read(this.memory.locate(leaf), leaf.dtype, leaf.size);
  }

  async readAll(leaves: readonly Tensor[]): Promise<Data[]> {
    this.device.check();
    return this.memory.reader.readAll(
      leaves.map((t) => ({ location: this.memory.locate(t), dtype: t.dtype, length: t.size })),
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
    const replacement = await this.#replacement?.catch(() => undefined);
    await replacement?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
