/**
 * An adapter that computes nothing and writes down everything: the library compiles for it as for any other, and what
 * it asked WebGPU for is the recording. Knows the part of WebGPU that src/gpu uses, and refuses the rest.
 */
import { GraphError } from "../errors.ts";
import type { GpuDevice } from "../gpu/device.ts";
import type { RecordedDispatch } from "./recording.ts";

/** What kernels are chosen for. */
export interface RecordTarget {
  readonly software: boolean;
  /** Of all subgroups, 0 for none. */
  readonly subgroupSize: number;
  readonly limits: Readonly<Record<string, number>>;
}

/** Any adapter with WebGPU: no more than the limits that the standard guarantees. */
export const PORTABLE: RecordTarget = {
  software: false,
  subgroupSize: 0,
  limits: {
    maxBufferSize: 2 ** 28,
    maxStorageBufferBindingSize: 2 ** 27,
    maxStorageBuffersPerShaderStage: 8,
    maxComputeWorkgroupStorageSize: 16384,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupSizeX: 256,
    maxComputeWorkgroupSizeY: 256,
    maxComputeWorkgroupSizeZ: 64,
    maxComputeWorkgroupsPerDimension: 65535,
  },
};

/** The adapter of an open device: its own kernels, and no others than its. */
export function targetOf({ software, subgroupSize, limits }: GpuDevice): RecordTarget {
  const own = Object.keys(PORTABLE.limits).map((name) => [name, limits[name as keyof GPUSupportedLimits]]);
  return { software, subgroupSize, limits: Object.fromEntries(own) };
}

export interface WrittenBuffer {
  readonly label: string;
  readonly size: number;
  /** Position among all buffers. */
  readonly index: number;
  destroy(): void;
}

export interface WrittenPipeline {
  readonly index: number;
  readonly shader: number;
  readonly entry: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly layout: string;
}

export interface Write {
  readonly buffer: number;
  readonly offset: number;
  readonly data: Float32Array | Int32Array | Uint32Array;
}

/** Numbers that WebGPU fixes and hosts offer by name; a process that has no device may lack them. */
const FLAGS = {
  GPUBufferUsage: { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128, QUERY_RESOLVE: 512 },
  GPUMapMode: { READ: 1 },
  GPUShaderStage: { COMPUTE: 4 },
};

export class Recorder {
  readonly buffers: WrittenBuffer[] = [];
  readonly shaders: { readonly file: string; readonly code: string }[] = [];
  readonly pipelines: WrittenPipeline[] = [];
  readonly writes: Write[] = [];
  /** Dispatches of the latest submit that had any. */
  submitted: readonly RecordedDispatch[] = [];
  /** Where the latest copy began. */
  copied = { buffer: 0, offset: 0 };

  constructor(readonly target: RecordTarget) {
    for (const [name, value] of Object.entries(FLAGS)) {
      if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true });
    }
  }

  get adapter(): GPUAdapter {
    const { software, subgroupSize, limits } = this.target;
    const features = new Set(subgroupSize > 0 ? ["subgroups"] : []);
    const info = {
      vendor: "",
      architecture: "",
      device: "",
      description: software ? "recorder for software" : "recorder",
      isFallbackAdapter: software,
      subgroupMinSize: subgroupSize,
      subgroupMaxSize: subgroupSize,
    };
    return refusing("adapter", { info, limits, features, requestDevice: async () => this.#device() });
  }

  #device(): GPUDevice {
    const { limits, subgroupSize } = this.target;
    const queue = refusing("queue", {
      writeBuffer: (buffer: WrittenBuffer, offset: number, data: Write["data"]) => {
        this.writes.push({ buffer: buffer.index, offset, data });
      },
      submit: (lists: readonly (readonly RecordedDispatch[])[]) => {
        const dispatches = lists.flat();
        if (dispatches.length > 0) this.submitted = dispatches;
      },
      onSubmittedWorkDone: async () => undefined,
    });
    return refusing("device", {
      queue,
      limits,
      features: new Set(subgroupSize > 0 ? ["subgroups"] : []),
      lost: new Promise(() => undefined),
      addEventListener: () => undefined,
      pushErrorScope: () => undefined,
      popErrorScope: async () => null,
      destroy: () => undefined,
      createBuffer: (descriptor: GPUBufferDescriptor) => this.#buffer(descriptor),
      createBindGroupLayout: ({ label }: { label: string }) => label,
      createPipelineLayout: ({ bindGroupLayouts }: { bindGroupLayouts: string[] }) => bindGroupLayouts[0],
      createShaderModule: ({ label = "", code }: GPUShaderModuleDescriptor) =>
        this.shaders.push({ file: label, code }) - 1,
      createComputePipelineAsync: async (descriptor: GPUComputePipelineDescriptor) =>
        this.#pipeline(descriptor),
      createBindGroup: (descriptor: GPUBindGroupDescriptor) => descriptor,
      createCommandEncoder: () => this.#encoder(),
    });
  }

  #buffer({ label = "", size }: GPUBufferDescriptor) {
    const buffer = {
      label,
      size,
      index: this.buffers.length,
      destroy: () => undefined,
      mapAsync: async () => undefined,
      getMappedRange: () => new ArrayBuffer(size),
      unmap: () => undefined,
    };
    this.buffers.push(buffer);
    return buffer;
  }

  #pipeline({ layout, compute }: GPUComputePipelineDescriptor): WrittenPipeline {
    const pipeline = {
      index: this.pipelines.length,
      shader: compute.module as unknown as number,
      entry: compute.entryPoint ?? "",
      constants: { ...compute.constants },
      layout: layout as unknown as string,
    };
    this.pipelines.push(pipeline);
    return pipeline;
  }

  #encoder() {
    const dispatches: RecordedDispatch[] = [];
    return refusing<GPUCommandEncoder>("encoder", {
      beginComputePass: () => {
        let pipeline = 0;
        let bindings: RecordedDispatch[2] = [];
        let called = "";
        return refusing("pass", {
          setPipeline: (next: WrittenPipeline) => {
            pipeline = next.index;
          },
          setBindGroup: (_: number, { entries, label = "" }: GPUBindGroupDescriptor) => {
            called = label;
            bindings = [...entries].map(({ binding, resource }) => {
              const { buffer, offset = 0, size = 0 } = resource as GPUBufferBinding;
              return [binding, (buffer as unknown as WrittenBuffer).index, offset, size];
            });
          },
          dispatchWorkgroups: (...groups: number[]) => {
            dispatches.push([pipeline, groups, bindings, called]);
          },
          end: () => undefined,
        });
      },
      copyBufferToBuffer: (source: WrittenBuffer, offset: number) => {
        this.copied = { buffer: source.index, offset };
      },
      finish: () => dispatches,
    });
  }
}

/** `known`, which throws GraphError when asked for anything else. */
function refusing<T extends object>(what: string, known: object): T {
  return new Proxy(known, {
    get(target, name) {
      // Promises look for this on whatever they are resolved with.
      if (name === "then") return undefined;
      if (name in target) return target[name as keyof typeof target];
      throw new GraphError(`record: can't record ${what}.${String(name)}`);
    },
  }) as T;
}
