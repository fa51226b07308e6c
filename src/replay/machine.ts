/** The WebGPU side of a replay: a recording's buffers, kernels and bind groups, and runs of its lists of dispatches. */
import { DeviceError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { Readback } from "../gpu/readback.ts";
import { type Data, sizeOf } from "../tensor.ts";
import type { Place, RecordedDispatch, RecordedTensor, Recording } from "./recording.ts";

/** A dispatch with its objects. */
interface Ready {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly groups: readonly number[];
}

export class Machine {
  readonly #buffers: readonly GPUBuffer[];
  readonly #reader: Readback;
  #pipelines: readonly GPUComputePipeline[] = [];
  #layouts: readonly GPUBindGroupLayout[] = [];
  readonly #programs = new Map<readonly RecordedDispatch[], readonly Ready[]>();

  private constructor(
    readonly recording: Recording,
    readonly device: GpuDevice,
  ) {
    this.#buffers = recording.buffers.map((bytes, i) => device.createBuffer(`buffer ${i}`, bytes));
    this.#reader = new Readback(device);
  }

  /** Makes all but the contents of buffers. Throws DeviceError where the device offers less than is needed. */
  static async make(recording: Recording, device: GpuDevice): Promise<Machine> {
    checkNeeds(recording, device);
    const machine = await device.guard("replay: buffers", () => new Machine(recording, device));
    await machine.#compile();
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
      for (const { pipeline, group, groups } of ready) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...(groups as [number]));
      }
    }
    pass.end();
    raw.queue.submit([encoder.finish()]);
  }

  /** Resolves when all that was started has been done. */
  async finished(): Promise<void> {
    await this.device.raw.queue.onSubmittedWorkDone().catch((cause: unknown) => this.device.explain(cause));
    this.device.check();
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

  async #compile(): Promise<void> {
    const { raw } = this.device;
    const { shaders, layouts, pipelines } = this.recording;
    const modules = shaders.map(({ file, code }) => raw.createShaderModule({ label: file, code }));
    this.#layouts = layouts.map((label) => {
      const entries = label.split(" ").map((entry): GPUBindGroupLayoutEntry => {
        const type = entry.endsWith("r") ? "read-only-storage" : "storage";
        return { binding: Number.parseInt(entry, 10), visibility: GPUShaderStage.COMPUTE, buffer: { type } };
      });
      return raw.createBindGroupLayout({ label, entries });
    });
    this.#pipelines = await Promise.all(
      pipelines.map(async ({ shader, entry, constants, layout }) => {
        const label = `${shaders[shader]?.file}:${entry}`;
        const descriptor: GPUComputePipelineDescriptor = {
          label,
          layout: raw.createPipelineLayout({
            bindGroupLayouts: [this.#layouts[layout] as GPUBindGroupLayout],
          }),
          compute: { module: modules[shader] as GPUShaderModule, entryPoint: entry, constants },
        };
        try {
          return await raw.createComputePipelineAsync(descriptor);
        } catch (cause) {
          throw new DeviceError(`replay: ${label} does not compile: ${String(cause)}`, { cause });
        }
      }),
    );
  }

  #ready(dispatches: readonly RecordedDispatch[]): readonly Ready[] {
    const known = this.#programs.get(dispatches);
    if (known !== undefined) return known;
    const ready = dispatches.map(([pipeline, groups, bindings]) => {
      const layout = this.#layouts[
        this.recording.pipelines[pipeline]?.layout as number
      ] as GPUBindGroupLayout;
      const entries = bindings.map(([binding, buffer, offset, size]) => ({
        binding,
        resource: { buffer: this.#buffers[buffer] as GPUBuffer, offset, size },
      }));
      const group = this.device.raw.createBindGroup({ layout, entries });
      return { pipeline: this.#pipelines[pipeline] as GPUComputePipeline, group, groups };
    });
    this.#programs.set(dispatches, ready);
    return ready;
  }
}

function checkNeeds({ needs }: Recording, device: GpuDevice): void {
  for (const limit of ["maxStorageBufferBindingSize", "maxStorageBuffersPerShaderStage"] as const) {
    if (device.limits[limit] < needs[limit]) {
      throw new DeviceError(
        `replay: the recording needs ${limit} ${needs[limit]}, but ${device.name} has ${device.limits[limit]}`,
      );
    }
  }
  if (needs.subgroupSize > 0 && device.subgroupSize !== needs.subgroupSize) {
    throw new DeviceError(
      `replay: the recording is for subgroups of ${needs.subgroupSize}, but ${device.name} has ${device.subgroupSize || "none of one size"}`,
    );
  }
}
