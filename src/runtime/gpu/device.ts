/**
 * A WebGPU device whose failures become typed errors: limits, out-of-memory, uncaptured errors, loss. Only this file requests
 * features and limits of an adapter.
 */
import { ClosedError, DeviceError, DeviceLostError } from "../../validation/errors.ts";
import { adapterKind, adapterName } from "./adapter-kind.ts";

export interface DeviceOptions {
  /** `"default"` asks for WebGPU's guaranteed limits only; `"best"` (default) for all the adapter has. */
  readonly limits?: "best" | "default";
}

/** Limits that large models need. All others stay at WebGPU's defaults. */
const RAISED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
] as const;

/** Features that are used where the adapter has them. */
const FEATURES: readonly GPUFeatureName[] = ["timestamp-query", "subgroups"];

/** The label of every device that Weft opens for itself. */
export const DEVICE_LABEL = "weft";

export class GpuDevice {
  /** The first error that no call reported, or the loss; every later call throws it. */
  #failure: DeviceError | undefined;
  readonly name: string;
  /** All that the adapter reports about itself, to distinguish it from others. */
  readonly identity: string;
  readonly software: boolean;
  readonly timestamps: boolean;
  /** Invocations per subgroup, 0 where there are no subgroups or their size varies. */
  readonly subgroupSize: number;
  /** Resolves when the device is gone, with the reason. */
  readonly lost: Promise<DeviceLostError>;

  private constructor(
    readonly raw: GPUDevice,
    info: GPUAdapterInfo,
  ) {
    const parts = [info.description, info.device, info.architecture, info.vendor].filter((p) => p !== "");
    this.name = adapterName(info);
    this.identity = [...new Set(parts)].join(", ") || this.name;
    this.software = adapterKind(info) === "software";
    this.timestamps = raw.features.has("timestamp-query");
    const oneSize = raw.features.has("subgroups") && info.subgroupMinSize === info.subgroupMaxSize;
    this.subgroupSize = oneSize ? info.subgroupMinSize : 0;
    raw.addEventListener("uncapturederror", (event) => {
      this.#failure ??= new DeviceError(`device: ${event.error.message}`);
      // The next use of the device throws it. By default Dawn prints to stdout, where it would mix with the lines of `--json`.
      event.preventDefault();
    });
    this.lost = raw.lost.then(({ reason, message }) => {
      const error = new DeviceLostError(`device: lost (${reason}): ${message || "no reason given"}`);
      if (!(this.#failure instanceof ClosedError)) this.#failure = error;
      return error;
    });
  }

  static async open(adapter: GPUAdapter, options: DeviceOptions = {}): Promise<GpuDevice> {
    const requiredLimits: Record<string, number> = {};
    if (options.limits !== "default")
      for (const name of RAISED_LIMITS) requiredLimits[name] = adapter.limits[name];
    const requiredFeatures = FEATURES.filter((name) => adapter.features.has(name));
    try {
      const raw = await adapter.requestDevice({ label: DEVICE_LABEL, requiredLimits, requiredFeatures });
      return new GpuDevice(raw, adapter.info);
    } catch (cause) {
      throw new DeviceError(`device: the adapter refused to open a device: ${String(cause)}`, { cause });
    }
  }

  get limits(): GPUSupportedLimits {
    return this.raw.limits;
  }

  /** Bytes of the largest tensor that fits. */
  get maxTensorBytes(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  /** Whether the device is gone. */
  get isLost(): boolean {
    return this.#failure instanceof DeviceLostError;
  }

  /** Makes every later use throw ClosedError, whatever else went wrong. */
  markClosed(): void {
    this.#failure = new ClosedError();
  }

  /** Throws the error that the device is in, if any. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when all submitted work is done. */
  async finished(): Promise<void> {
    await this.raw.queue.onSubmittedWorkDone().catch((cause: unknown) => this.explain(cause));
    this.check();
  }

  /** Throws the reason why a promise of this device was rejected: usually that it was lost, else `cause` itself. */
  async explain(cause: unknown): Promise<never> {
    // `lost` may resolve a little later than the promise that was rejected because of it.
    await Promise.race([this.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
    this.check();
    throw cause;
  }

  /** Runs `make`; throws a DeviceError naming `what` on a validation error and where GPU memory runs out. */
  async guard<T>(what: string, make: () => T | Promise<T>): Promise<T> {
    this.check();
    this.raw.pushErrorScope("out-of-memory");
    this.raw.pushErrorScope("validation");
    let result: T;
    try {
      result = await make();
    } catch (cause) {
      await Promise.all([this.raw.popErrorScope(), this.raw.popErrorScope()]);
      this.check();
      throw cause;
    }
    const [invalid, memory] = await Promise.all([this.raw.popErrorScope(), this.raw.popErrorScope()]);
    if (memory !== null) throw new DeviceError(`${what}: out of GPU memory: ${memory.message}`);
    if (invalid !== null) throw new DeviceError(`${what}: ${invalid.message}`);
    this.check();
    return result;
  }

  /** A zeroed storage and uniform buffer of at least `bytes`. Throws DeviceError, naming the limit, above the device's limits. */
  createBuffer(label: string, bytes: number, extraUsage = 0): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    for (const limit of ["maxBufferSize", "maxStorageBufferBindingSize"] as const) {
      if (size > this.limits[limit]) {
        throw new DeviceError(
          `${label}: needs ${size} bytes, but ${limit} of ${this.name} is ${this.limits[limit]}`,
        );
      }
    }
    const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const usage = STORAGE | UNIFORM | COPY_SRC | COPY_DST | extraUsage;
    return this.raw.createBuffer({ label, size, usage });
  }

  destroy(): void {
    this.raw.destroy();
  }
}
