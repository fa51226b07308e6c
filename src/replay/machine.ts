/** The WebGPU side: a recording's buffers, kernels and bind groups, and runs of its lists of dispatches. */
import type { CompileOptions } from "../backend.ts";
import { DeviceError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { Readback } from "../gpu/readback.ts";
import { type Data, sizeOf } from "../tensor.ts";
import { fromBase64 } from "./base64.ts";
import type {
  Place,
  RecordedDispatch,
  RecordedInitial,
  RecordedPipeline,
  RecordedTensor,
  Recording,
} from "./recording.ts";

/** A dispatch with its objects. */
interface Ready {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly groups: readonly number[];
}

export class Machine {
  readonly #buffers: GPUBuffer[];
  readonly #reader: Readback;
  /** Those that are there, and all that have been asked for. */
  readonly #pipelines: GPUComputePipeline[] = [];
  readonly #asked: Promise<GPUComputePipeline>[] = [];
  #rest: Promise<unknown> | undefined;
  #layouts: readonly GPUBindGroupLayout[] = [];
  #modules: readonly GPUShaderModule[] = [];
  readonly #programs = new Map<readonly RecordedDispatch[], readonly Ready[]>();
  /** Buffers of data, which have the size of the data and not a recorded one. */
  readonly #ofData: ReadonlySet<number>;
  /** Pipelines in place of recorded ones, for one list each. */
  readonly #special = new Map<readonly RecordedDispatch[], ReadonlyMap<number, GPUComputePipeline>>();

  private constructor(
    readonly recording: Recording,
    readonly device: GpuDevice,
  ) {
    this.#buffers = recording.buffers.map((bytes, i) => device.createBuffer(`buffer ${i}`, bytes));
    this.#reader = new Readback(device);
    const { train, test } = recording;
    const parts = test === undefined ? [train] : [train, test];
    this.#ofData = new Set(parts.flatMap(({ inputs, labels }) => [inputs.buffer, labels.buffer]));
  }

  /**
   * Makes everything that training needs but what needs data, with the recorded first values. Throws DeviceError where the
   * device offers less than is needed.
   */
  static async make(
    recording: Recording,
    device: GpuDevice,
    tell?: CompileOptions["onProgress"],
  ): Promise<Machine> {
    checkNeeds(recording, device);
    const machine = await device.guard("recording: buffers", () => {
      const made = new Machine(recording, device);
      for (const value of recording.values) made.write(value, unpacked(value));
      return made;
    });
    const { shaders, layouts, train } = recording;
    const { raw } = device;
    machine.#modules = shaders.map(({ file, code }) => raw.createShaderModule({ label: file, code }));
    machine.#layouts = layouts.map((key) => bindGroupLayout(raw, key));
    await machine.#compile(train.dispatches, tell);
    return machine;
  }

  /** Carries the list out `times` times, one after another. Returns at once. */
  run(dispatches: readonly RecordedDispatch[], times: number): void {
    this.device.check();
    const { raw } = this.device;
    const encoder = raw.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const ready = this.#ready(dispatches);
    for (let i = 0; i < times; i++) {
      for (const dispatch of ready) encode(pass, dispatch);
    }
    pass.end();
    raw.queue.submit([encoder.finish()]);
    void this.rest();
  }

  /** Compiles everything else, once what runs now has been done. Whoever needs what can't be had hears of it then. */
  rest(): Promise<unknown> {
    this.#rest ??= this.#compileRest().catch(() => undefined);
    return this.#rest;
  }

  async #compileRest(): Promise<void> {
    await this.device.finished();
    const { test, programs } = this.recording;
    const others = [test ?? [], ...Object.values(programs)].flat();
    await Promise.all(others.map(({ dispatches }) => this.#compile(dispatches)));
  }

  /** Milliseconds of each dispatch of one run, by the device's clock. Needs the feature timestamp-query. */
  async profile(dispatches: readonly RecordedDispatch[]): Promise<number[]> {
    const { timed } = await import("../gpu/timestamps.ts");
    return timed(this.device, this.#reader, dispatches.length, (encoder, writes) => {
      this.#ready(dispatches).forEach((dispatch, i) => {
        const pass = encoder.beginComputePass({ timestampWrites: writes(i) });
        encode(pass, dispatch);
        pass.end();
      });
    });
  }

  /** Values of tensors after all runs started so far. */
  read(tensors: readonly RecordedTensor[]): Promise<Data[]> {
    return this.#reader.readAll(
      tensors.map(({ buffer, offset, shape, dtype }) => ({
        place: { buffer: this.#buffers[buffer] as GPUBuffer, offset },
        dtype,
        length: sizeOf(shape),
      })),
    );
  }

  /** Writes after all runs started so far. */
  write({ buffer, offset }: Place, data: Data | Uint32Array): void {
    this.device.check();
    this.device.raw.queue.writeBuffer(this.#buffers[buffer] as GPUBuffer, offset, data as BufferSource);
  }

  /** Makes a buffer of data anew with another size; lists that bind it want `prepare` again. */
  async resize(buffer: number, bytes: number): Promise<void> {
    const old = this.#buffers[buffer] as GPUBuffer;
    await this.device.guard("recording: data", () => {
      this.#buffers[buffer] = this.device.createBuffer(old.label, bytes);
    });
    old.destroy();
    for (const dispatches of this.#programs.keys()) {
      const binds = dispatches.some(([, , bindings]) => bindings.some(([, index]) => index === buffer));
      if (binds) this.#programs.delete(dispatches);
    }
  }

  /** Makes the kernels and bind groups of a list, so that running it makes nothing. */
  async prepare(dispatches: readonly RecordedDispatch[]): Promise<void> {
    if (this.#programs.has(dispatches)) return;
    await this.#compile(dispatches);
    await this.device.guard("recording: bind groups", () => this.#ready(dispatches));
  }

  /** Runs pipeline `index` of this list with these constants in place of the recorded ones of their names. */
  async specialise(
    dispatches: readonly RecordedDispatch[],
    index: number,
    constants: Readonly<Record<string, number>>,
  ): Promise<void> {
    const recorded = this.recording.pipelines[index] as RecordedPipeline;
    const other = Object.entries(constants).filter(
      ([name, value]) => name in recorded.constants && recorded.constants[name] !== value,
    );
    this.#special.delete(dispatches);
    this.#programs.delete(dispatches);
    if (other.length === 0) return;
    const changed = { ...recorded, constants: { ...recorded.constants, ...Object.fromEntries(other) } };
    this.#special.set(dispatches, new Map([[index, await this.#pipeline(changed)]]));
  }

  async destroy(): Promise<void> {
    await Promise.race([Promise.allSettled(this.#asked), this.device.lost]);
    this.device.destroy();
  }

  async #compile(
    dispatches: readonly RecordedDispatch[],
    tell?: CompileOptions["onProgress"],
  ): Promise<void> {
    const needed = new Set(dispatches.map(([pipeline]) => pipeline));
    let compiled = 0;
    await Promise.all(
      [...needed].map(async (i) => {
        this.#asked[i] ??= this.#pipeline(this.recording.pipelines[i] as RecordedPipeline);
        this.#pipelines[i] = await this.#asked[i];
        tell?.({ compiled: ++compiled, total: needed.size });
      }),
    );
  }

  async #pipeline({ shader, entry, constants, layout }: RecordedPipeline): Promise<GPUComputePipeline> {
    const { raw } = this.device;
    const label = `${this.recording.shaders[shader]?.file}:${entry}`;
    try {
      return await raw.createComputePipelineAsync({
        label,
        layout: raw.createPipelineLayout({ bindGroupLayouts: [this.#layouts[layout] as GPUBindGroupLayout] }),
        compute: { module: this.#modules[shader] as GPUShaderModule, entryPoint: entry, constants },
      });
    } catch (cause) {
      const reason = new DeviceError(`recording: ${label} does not compile: ${String(cause)}`, { cause });
      return this.device.explain(reason);
    }
  }

  #ready(dispatches: readonly RecordedDispatch[]): readonly Ready[] {
    const known = this.#programs.get(dispatches);
    if (known !== undefined) return known;
    const { pipelines } = this.recording;
    const special = this.#special.get(dispatches);
    const ready = dispatches.map(([pipeline, groups, bindings]) => {
      const layout = this.#layouts[pipelines[pipeline]?.layout as number] as GPUBindGroupLayout;
      const entries = bindings.map(([binding, index, offset, bytes]) => {
        const buffer = this.#buffers[index] as GPUBuffer;
        const whole = this.#ofData.has(index);
        return { binding, resource: whole ? { buffer } : { buffer, offset, size: bytes } };
      });
      const group = this.device.raw.createBindGroup({ layout, entries });
      const made = special?.get(pipeline) ?? this.#pipelines[pipeline];
      return { pipeline: made as GPUComputePipeline, group, groups };
    });
    this.#programs.set(dispatches, ready);
    return ready;
  }
}

function encode(pass: GPUComputePassEncoder, { pipeline, group, groups }: Ready): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...(groups as [number]));
}

function checkNeeds({ needs }: Recording, device: GpuDevice): void {
  for (const limit of ["maxStorageBufferBindingSize", "maxStorageBuffersPerShaderStage"] as const) {
    if (device.limits[limit] < needs[limit]) {
      throw new DeviceError(
        `recording: it needs ${limit} ${needs[limit]}, but ${device.name} has ${device.limits[limit]}`,
      );
    }
  }
  if (needs.subgroupSize > 0 && device.subgroupSize !== needs.subgroupSize) {
    throw new DeviceError(
      `recording: it is for subgroups of ${needs.subgroupSize}, but ${device.name} has ${device.subgroupSize || "none of one size"}`,
    );
  }
}

export function unpacked(value: RecordedInitial): Data {
  const Kind = { f32: Float32Array, i32: Int32Array, u32: Uint32Array }[value.dtype];
  if ("fill" in value) return new Kind(value.count).fill(value.fill);
  return "numbers" in value ? Kind.from(value.numbers) : new Kind(fromBase64(value.base64).buffer);
}

function bindGroupLayout(device: GPUDevice, key: string): GPUBindGroupLayout {
  const entries = key.split(" ").map((entry): GPUBindGroupLayoutEntry => {
    const type = entry.endsWith("u") ? "uniform" : entry.endsWith("r") ? "read-only-storage" : "storage";
    return { binding: Number.parseInt(entry, 10), visibility: GPUShaderStage.COMPUTE, buffer: { type } };
  });
  return device.createBindGroupLayout({ label: key, entries });
}
