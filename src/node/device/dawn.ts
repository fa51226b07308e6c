/**
 * Opens WebGPU in Node through the optional peer dependency `webgpu` (Dawn): a hardware adapter if there is one, else a
 * software Vulkan driver of the system or of `VK_ICD_FILENAMES`, else SwiftShader from the package `@sparticuz/chromium`.
 * Refuses Dawn's null backend, which compiles kernels but never runs them.
 */
import { constants, tmpdir } from "node:os";
import { isMainThread } from "node:worker_threads";
import { adapterKind } from "../../runtime/gpu/adapter-kind.ts";
import { DEVICE_LABEL } from "../../runtime/gpu/device.ts";
import { DeviceError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { warn } from "../../validation/printable.ts";
import { limitDawnPolling } from "./dawn-polling.ts";
import { knownDriver, rememberDriver } from "./known-driver.ts";
import { swiftShader } from "./swiftshader.ts";

export interface DawnOptions {
  /** True: a software adapter, SwiftShader unless `VK_ICD_FILENAMES` names another. False: hardware or an error. */
  readonly software?: boolean;
  /** Flags for Dawn, such as `enable-dawn-features=allow_unsafe_apis`. */
  readonly flags?: readonly string[];
}

/** WebGPU in this process, until `close`. */
export interface Dawn {
  readonly gpu: GPU;
  /** An adapter gives one device; for another device call `gpu.requestAdapter()` again. */
  readonly adapter: GPUAdapter;
  readonly kind: "hardware" | "software";
  /** The driver's name and version, for people. */
  readonly driver: string;
  /** Destroys every device of `gpu`, so that the process can end by itself. Safe to call twice. */
  close(): Promise<void>;
}

type Found = Pick<Dawn, "gpu" | "adapter" | "kind">;
type DawnModule = typeof import("webgpu");

/** Environment variables for the Vulkan loader and drivers; undefined unsets. */
type Environment = Readonly<Record<string, string | undefined>>;

const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
const RTLD_NODELETE = 0x1000;

// Dawn crashes when the object of `create()` is garbage-collected while anything made from it is in use. So it is kept while
// open, and after that as long as one of its devices is reachable.
const open = new Set<{ readonly gpu: GPU; readonly devices: Set<GPUDevice> }>();
const gpuOfDevice = new WeakMap<GPUDevice, GPU>();

/** Opens the best adapter of the system of the requested kind. Throws DeviceError where there is none. */
export async function openDawn(options: DawnOptions = {}): Promise<Dawn> {
  checkOptions("openDawn", options, { software: "boolean", flags: "array" });
  const dawn = await importDawn();
  const endPolling = limitDawnPolling();
  try {
    const { gpu, adapter, kind } = await findAdapter(dawn, options);
    const devices = trackDevices(gpu, adapter);
    const handle = { gpu, devices };
    open.add(handle);
    if (open.size === 1) process.on("exit", destroyAll);
    const close = async () => {
      for (const device of devices) device.destroy();
      await Promise.all([...devices].map((device) => device.lost));
      open.delete(handle);
      if (open.size === 0) process.off("exit", destroyAll);
      endPolling();
    };
    const { description, device, architecture } = adapter.info;
    return { gpu, adapter, kind, driver: description || device || architecture, close };
  } catch (error) {
    endPolling();
    throw error;
  }
}

async function importDawn(): Promise<DawnModule> {
  try {
    const dawn = await import("webgpu");
    // GPUBufferUsage and other constants that pages have as globals.
    for (const [name, value] of Object.entries(dawn.globals)) {
      if (!(name in globalThis))
        Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    return dawn;
  } catch (cause) {
    const system = `${process.platform}-${process.arch}`;
    const what =
      (cause as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND"
        ? "the optional package `webgpu` is not installed: npm install webgpu@0.6"
        : `the package \`webgpu\` can't be loaded on ${system}: ${(cause as Error).message}`;
    throw new DeviceError(`openDawn: WebGPU in Node needs Dawn, and ${what}`, { cause });
  }
}

async function findAdapter(dawn: DawnModule, { software, flags = [] }: DawnOptions): Promise<Found> {
  const refused: string[] = [];
  let systemRefused = false;
  for (const { place, environment, force } of driversFor(software)) {
    if (typeof environment === "string") {
      refused.push(`${place}: ${environment}`);
      continue;
    }
    const gpu = dawn.create([...flags]);
    const request = { powerPreference: "high-performance", forceFallbackAdapter: force } as const;
    const adapter = await withEnvironment(environment, () => gpu.requestAdapter(request));
    systemRefused ||= place === "system" && !adapter;
    if (!adapter) {
      refused.push(`${place}: no adapter`);
      continue;
    }
    const kind = adapterKind(adapter.info);
    const isNull = adapter.info.device === "null-backend";
    if (!isNull && (software === undefined || software === (kind === "software"))) {
      if (systemRefused && flags.length === 0 && triesBoth(software)) rememberDriver(place);
      return { gpu, adapter, kind };
    }
    const name = adapter.info.description || adapter.info.device;
    refused.push(`${place}: ${name} is ${isNull ? "no real adapter" : `a ${kind} adapter`}`);
  }
  const wanted = software === undefined ? "WebGPU" : software ? "software WebGPU" : "hardware WebGPU";
  const advice = software === false ? "" : ", or SwiftShader: npm install @sparticuz/chromium@147.0.0";
  throw new DeviceError(
    `openDawn: no ${wanted} adapter found (${refused.join("; ")}). Install a driver for Vulkan${advice}`,
  );
}

const SWIFTSHADER = "SwiftShader";

/** Whether both the system's drivers and SwiftShader may be tried. */
function triesBoth(software: boolean | undefined): boolean {
  return software === undefined && !process.env.VK_ICD_FILENAMES && !process.env.VK_DRIVER_FILES;
}

/** The drivers to try, in order. A driver that the user names is the only one. */
function* driversFor(software: boolean | undefined) {
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES) {
    yield { place: "VK_ICD_FILENAMES", environment: systemDriver(true), force: false };
    return;
  }
  // Dawn prints warnings when it refuses a driver of the system; if only SwiftShader worked before, it is tried first.
  const known = triesBoth(software) && knownDriver() === SWIFTSHADER;
  const first = software === true || known;
  if (first) yield { place: SWIFTSHADER, environment: bundledDriver(), force: false };
  yield { place: "system", environment: systemDriver(false), force: software === true };
  if (software === undefined && !known) {
    yield { place: SWIFTSHADER, environment: bundledDriver(), force: false };
  }
}

/** The system's drivers. Linux needs a Vulkan loader: the system's or, for a driver that the user names, ours. */
function systemDriver(named: boolean): Environment | string {
  if (process.platform !== "linux" || preload("libvulkan.so.1")) return {};
  const bundled = named ? swiftShader() : undefined;
  return bundled && preload(bundled.loader) ? {} : "no Vulkan loader (libvulkan.so.1)";
}

function bundledDriver(): Environment | string {
  if (!isMainThread) return "a worker thread can't select it: set VK_ICD_FILENAMES before the process starts";
  const driver = swiftShader();
  if (!driver) return "no package @sparticuz/chromium, or not Linux on x86-64";
  if (!preload("libvulkan.so.1") && !preload(driver.loader)) return `can't load ${driver.loader}`;
  return { VK_ICD_FILENAMES: driver.icd, VK_DRIVER_FILES: undefined, VK_ADD_DRIVER_FILES: undefined };
}

/**
 * Loads a library and keeps it loaded, so that Dawn's `dlopen("libvulkan.so.1")` finds it by its name although it is on no
 * search path; changing LD_LIBRARY_PATH would need a new process.
 */
function preload(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    // Node loads the library and then reports that it is not a Node add-on.
    return error instanceof Error && error.message.includes("did not self-register");
  }
  return true;
}

/** Dawn looks for drivers during the call of `request`. The environment is restored after it, for child processes. */
function withEnvironment<T>(environment: Environment, request: () => T): T {
  // Mesa prints a warning when XDG_RUNTIME_DIR is unset.
  const wanted: Environment = { XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR || tmpdir(), ...environment };
  const before = Object.keys(wanted).map((name) => [name, process.env[name]] as const);
  const set = ([name, value]: readonly [string, string | undefined]) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  Object.entries(wanted).forEach(set);
  try {
    return request();
  } finally {
    before.forEach(set);
  }
}

/** The live devices of `gpu`, from this adapter and later ones. */
function trackDevices(gpu: GPU, first: GPUAdapter): Set<GPUDevice> {
  const devices = new Set<GPUDevice>();
  const track = (adapter: GPUAdapter) => {
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      devices.add(device);
      gpuOfDevice.set(device, gpu);
      // By default Dawn prints errors on stdout, where programs write their results. GpuDevice reports its errors itself.
      device.addEventListener("uncapturederror", (event) => {
        event.preventDefault();
        if (device.label !== DEVICE_LABEL) warn(`WebGPU: ${event.error.message}`);
      });
      device.lost.then(() => devices.delete(device));
      return device;
    };
    return adapter;
  };
  track(first);
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    return adapter && track(adapter);
  };
  return devices;
}

/** A driver's threads must not run while the process frees what they use at exit: that crashes. */
function destroyAll(): void {
  for (const { devices } of open) for (const device of devices) device.destroy();
}
