/**
 * A recording's device as the trainer knows devices. Tensors are handles of places in the recording's buffers, the same
 * ones on every device that the run comes to.
 */
import type { Backend, CompileOptions, Program, ProgramDescription } from "../backend.ts";
import { GraphError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { Replacement } from "../gpu/replacement.ts";
import { StartValues } from "../plan/initial.ts";
import { type Data, state, type Tensor, valuesFor } from "../tensor.ts";
import type { Values } from "../values.ts";
import { Machine } from "./machine.ts";
import type { RecordedDispatch, RecordedTensor, Recording } from "./recording.ts";

/** Tensors for recorded places, one for each, and back. */
export class Handles {
  readonly #tensors = new Map<RecordedTensor, Tensor>();
  readonly #places = new Map<Tensor, RecordedTensor>();

  of(recorded: RecordedTensor, label: string): Tensor {
    const known = this.#tensors.get(recorded);
    if (known !== undefined) return known;
    const tensor = state(recorded.shape, 0, recorded.dtype, label);
    this.#tensors.set(recorded, tensor);
    this.#places.set(tensor, recorded);
    return tensor;
  }

  has(tensor: Tensor): boolean {
    return this.#places.has(tensor);
  }

  /** Throws GraphError on other tensors than those of `of`. */
  placeOf(tensor: Tensor): RecordedTensor {
    const place = this.#places.get(tensor);
    if (place === undefined) throw new GraphError(`${tensor.label}: is not part of the recording`);
    return place;
  }
}

export interface RecordedBackendOptions {
  readonly submitMilliseconds: number;
  readonly reopen: (() => Promise<Backend>) | undefined;
  readonly onCompile: CompileOptions["onProgress"];
}

export class RecordedBackend implements Backend {
  readonly kind = "webgpu";
  readonly starts = new StartValues();
  readonly submitMilliseconds: number;
  closed = false;
  readonly #replacement: Replacement;

  private constructor(
    readonly machine: Machine,
    readonly handles: Handles,
    options: RecordedBackendOptions,
  ) {
    this.submitMilliseconds = options.submitMilliseconds;
    this.#replacement = new Replacement(options.reopen, async () => undefined);
  }

  static async open(
    recording: Recording,
    device: GpuDevice,
    handles: Handles,
    options: RecordedBackendOptions,
  ): Promise<RecordedBackend> {
    return new RecordedBackend(await Machine.make(recording, device, options.onCompile), handles, options);
  }

  get reopen(): (() => Promise<Backend>) | undefined {
    return this.closed ? undefined : this.#replacement.open;
  }

  get isLost(): boolean {
    return this.machine.device.isLost;
  }

  get adapter(): string {
    return this.machine.device.name;
  }

  get software(): boolean {
    return this.machine.device.software;
  }

  get timestamps(): boolean {
    return this.machine.device.timestamps;
  }

  get maxTensorBytes(): number {
    return this.machine.device.maxTensorBytes;
  }

  compile(): Promise<Program> {
    return Promise.reject(new GraphError("recording: nothing new can be compiled; record it as a program"));
  }

  holds(leaf: Tensor): boolean {
    return this.handles.has(leaf);
  }

  write(leaf: Tensor, given: Values, at?: number): void {
    const data = valuesFor(leaf, given, at);
    const { buffer, offset } = this.handles.placeOf(leaf);
    const words = leaf.dtype === "f32" && !(data instanceof Float32Array) ? Float32Array.from(data) : data;
    this.machine.write({ buffer, offset: offset + 4 * (at ?? 0) }, words);
  }

  async read(leaf: Tensor): Promise<Data> {
    return (await this.readAll([leaf]))[0] as Data;
  }

  readAll(leaves: readonly Tensor[]): Promise<Data[]> {
    return this.machine.read(leaves.map((leaf) => this.handles.placeOf(leaf)));
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.machine.destroy();
    await this.#replacement.close();
  }
}

/** One of the recording's lists of dispatches. */
export class RecordedRun implements Program {
  constructor(
    readonly backend: RecordedBackend,
    readonly dispatches: readonly RecordedDispatch[],
  ) {}

  run(times = 1): void {
    this.backend.machine.run(this.dispatches, times);
  }

  finished(): Promise<void> {
    return this.backend.machine.device.finished();
  }

  async ready(): Promise<void> {
    await this.backend.machine.rest();
  }

  read(tensor: Tensor): Promise<Data> {
    return this.backend.read(tensor);
  }

  async profile() {
    const times = await this.backend.machine.profile(this.dispatches);
    return this.dispatches.map(([, , , label], i) => ({ label, milliseconds: times[i] as number }));
  }

  describe(): ProgramDescription {
    const { buffers } = this.backend.machine.recording;
    const used = new Set(this.dispatches.flatMap(([, , bindings]) => bindings.map(([, buffer]) => buffer)));
    return {
      dispatches: this.dispatches.length,
      pipelines: new Set(this.dispatches.map(([pipeline]) => pipeline)).size,
      // A recording does not tell states from what lies in between.
      stateBytes: [...used].reduce((sum, buffer) => sum + (buffers[buffer] as number), 0),
      slotBytes: 0,
      steps: this.dispatches.map(([, , , label]) => label),
    };
  }
}
