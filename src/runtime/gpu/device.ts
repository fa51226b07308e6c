/**
 * A WebGPU device with everything that can go wrong on it turned into typed errors: limits, compile errors,
 * out-of-memory, uncaptured errors, loss. The one place that asks an adapter for features and limits.
 */
import { ClosedError, DeviceError, DeviceLostError } from "../../common/errors.ts";
import { adapterKind, adapterName } from "./adapter-kind.ts";

export interface DeviceOptions {
  /** `"default"` asks for WebGPU's guaranteed limits only; `"best"` (default) for all the adapter has. */
  readonly limits?: "best" | "default";
}

/** Limits that larger models may need; the rest stays at WebGPU's defaults. */
const WANTED = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
] as const;

/** Features that are made use of where they exist. */
const FEATURES: readonly GPUFeatureName[] = ["timestamp-query", "subgroups"];

/** The label of every device that Weft opens for itself. */
export const DEVICE_LABEL = "weft";

export class GpuDevice {
  /** Rejections of this device land here first; later calls throw it. */
  #failure: DeviceError | undefined;
  readonly name: string;
  /** All that the adapter says of itself: tells it from others. */
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
    const words = [info.description, info.device, info.architecture, info.vendor].filter((w) => w !== "");
    this.name = adapterName(info);
    this.identity = [...new Set(words)].join(", ") || this.name;
    this.software = adapterKind(info) === "software";
    this.timestamps = raw.features.has("timestamp-query");
    const oneSize = raw.features.has("subgroups") && info.subgroupMinSize === info.subgroupMaxSize;
    this.subgroupSize = oneSize ? info.subgroupMinSize : 0;
    raw.addEventListener("uncapturederror", (event) => {
      this.#failure ??= new DeviceError(`device: ${event.error.message}`);
      // Whoever uses the device next is told. By default Dawn prints to stdout, where `--json` has its lines.
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
    if (options.limits !== "default") for (const name of WANTED) requiredLimits[name] = adapter.limits[name];
    const requiredFeatures = FEATURES.filter((name) => adapter.features.has(name));
    try {
      const raw = await adapter.requestDevice({ label: DEVICE_LABEL, requiredLimits, requiredFeatures });
      return new GpuDevice(raw, adapter.info);
    } catch (cause) {
      throw new DeviceError(`device: the adapter gave no device: ${String(cause)}`, { cause });
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

  /** From now on every use is one of a closed device, whatever else went wrong. */
  markClosed(): void {
    this.#failure = new ClosedError();
  }

  /** Throws what went wrong on this device since it was opened. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when all that was started has been done. */
  async finished(): Promise<void> {
    await this.raw.queue.onSubmittedWorkDone().catch((cause: unknown) => this.explain(cause));
    this.check();
  }

  /** Throws what lies behind a rejected promise of this device: that it was lost, as a rule, else `cause` itself. */
  async explain(cause: unknown): Promise<never> {
    // The device's own promise may resolve a little after the one that was rejected because of it.
    await Promise.race([this.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
    this.check();
    throw cause;
  }

  /** Runs `make` and throws a DeviceError naming `what` if WebGPU found fault with it or memory ran out. */
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

  /** A storage and uniform buffer of at least `bytes`, zeroed; refuses more than the device's limits, naming the limit. */
  createBuffer(label: string, bytes: number, extra: number = 0): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    for (const limit of ["maxBufferSize", "maxStorageBufferBindingSize"] as const) {
      if (size > this.limits[limit]) {
        throw new DeviceError(
          `${label}: needs ${size} bytes, but ${limit} of ${this.name} is ${this.limits[limit]}`,
        );
      }
    }
    const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const usage = STORAGE | UNIFORM | COPY_SRC | COPY_DST | extra;
    return this.raw.createBuffer({ label, size, usage });
  }

  destroy(): void {
    this.raw.destroy();
  }
}
