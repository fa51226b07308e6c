/**
 * Opens WebGPU in Node through the optional peer `webgpu` (Dawn). Takes a hardware adapter where there is one, else a
 * software Vulkan driver of the system or of `VK_ICD_FILENAMES`, else SwiftShader from the package
 * `@sparticuz/chromium`. Refuses Dawn's null backend, which compiles kernels but never runs them.
 */
import { constants, tmpdir } from "node:os";
import { isMainThread } from "node:worker_threads";
import { DeviceError } from "../../common/errors.ts";
import { checkOptions } from "../../common/options.ts";
import { warn } from "../../common/printable.ts";
import { adapterKind } from "../../runtime/gpu/adapter-kind.ts";
import { DEVICE_LABEL } from "../../runtime/gpu/device.ts";
import { paceDawn } from "./dawn-polling.ts";
import { knownDriver, rememberDriver } from "./known-driver.ts";
import { swiftShader } from "./swiftshader.ts";

export interface DawnOptions {
  /** True: a software adapter, SwiftShader unless `VK_ICD_FILENAMES` names another. False: hardware or an error. */
  readonly software?: boolean;
  /** Passed on to Dawn, such as `enable-dawn-features=allow_unsafe_apis`. */
  readonly flags?: readonly string[];
}

/** WebGPU in this process, until `close`. */
export interface Dawn {
  readonly gpu: GPU;
  /** The adapter found; it gives one device. For another device ask `gpu.requestAdapter()` again. */
  readonly adapter: GPUAdapter;
  readonly kind: "hardware" | "software";
  /** The driver's name and version, for people. */
  readonly driver: string;
  /** Destroys every device that came from `gpu`; the process can then end by itself. Safe to call twice. */
  close(): Promise<void>;
}

type Found = Pick<Dawn, "gpu" | "adapter" | "kind">;
type DawnModule = typeof import("webgpu");

/** Environment that the Vulkan loader and drivers read; undefined unsets. */
type Environment = Readonly<Record<string, string | undefined>>;

const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
const RTLD_NODELETE = 0x1000;

// Dawn crashes when the object of `create()` is collected while anything made from it is used. So it lives while open,
// and after that for as long as one of its devices can be reached.
const open = new Set<{ readonly gpu: GPU; readonly devices: Set<GPUDevice> }>();
const lifeline = new WeakMap<GPUDevice, GPU>();

/** The best adapter this system has, of the kind asked for. */
export async function openDawn(options: DawnOptions = {}): Promise<Dawn> {
  checkOptions("openDawn", options, { software: "boolean", flags: "array" });
  const dawn = await importDawn();
  const stopPacing = paceDawn();
  try {
    const { gpu, adapter, kind } = await findAdapter(dawn, options);
    const devices = followDevices(gpu, adapter);
    const handle = { gpu, devices };
    open.add(handle);
    if (open.size === 1) process.on("exit", destroyAll);
    const close = async () => {
      for (const device of devices) device.destroy();
      await Promise.all([...devices].map((device) => device.lost));
      open.delete(handle);
      if (open.size === 0) process.off("exit", destroyAll);
      stopPacing();
    };
    const { description, device, architecture } = adapter.info;
    return { gpu, adapter, kind, driver: description || device || architecture, close };
  } catch (error) {
    stopPacing();
    throw error;
  }
}

async function importDawn(): Promise<DawnModule> {
  try {
    const dawn = await import("webgpu");
    // GPUBufferUsage and the like, as in a page.
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
        : `the package \`webgpu\` does not load on ${system}: ${(cause as Error).message}`;
    throw new DeviceError(`openDawn: WebGPU in Node needs Dawn, and ${what}`, { cause });
  }
}

async function findAdapter(dawn: DawnModule, { software, flags = [] }: DawnOptions): Promise<Found> {
  const refused: string[] = [];
  /** Whether a driver of the system was asked and refused. */
  let asked = false;
  for (const { place, environment, force } of driversFor(software)) {
    if (typeof environment === "string") {
      refused.push(`${place}: ${environment}`);
      continue;
    }
    const gpu = dawn.create([...flags]);
    const request = { powerPreference: "high-performance", forceFallbackAdapter: force } as const;
    const adapter = await withEnvironment(environment, () => gpu.requestAdapter(request));
    asked ||= place === "system" && !adapter;
    if (!adapter) {
      refused.push(`${place}: no adapter`);
      continue;
    }
    const kind = adapterKind(adapter.info);
    const isNull = adapter.info.device === "null-backend";
    if (!isNull && (software === undefined || software === (kind === "software"))) {
      if (asked && flags.length === 0 && chooses(software)) rememberDriver(place);
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

/** Whether the system's drivers and SwiftShader are both asked. */
function chooses(software: boolean | undefined): boolean {
  return software === undefined && !process.env.VK_ICD_FILENAMES && !process.env.VK_DRIVER_FILES;
}

/** Where to look, in order. A driver that the user names is the only one looked at. */
function* driversFor(software: boolean | undefined) {
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES) {
    yield { place: "VK_ICD_FILENAMES", environment: systemDriver(true), force: false };
    return;
  }
  // Dawn prints why it refuses a driver of the system; where SwiftShader was the one that worked, it is asked first.
  const known = chooses(software) && knownDriver() === SWIFTSHADER;
  const first = software === true || known;
  if (first) yield { place: SWIFTSHADER, environment: bundledDriver(), force: false };
  yield { place: "system", environment: systemDriver(false), force: software === true };
  if (software === undefined && !known) {
    yield { place: SWIFTSHADER, environment: bundledDriver(), force: false };
  }
}

/** What the system offers: on Linux only through a Vulkan loader, the system's or, for a driver the user names, ours. */
function systemDriver(named: boolean): Environment | string {
  if (process.platform !== "linux" || preload("libvulkan.so.1")) return {};
  const bundled = named ? swiftShader() : undefined;
  return bundled && preload(bundled.loader) ? {} : "no Vulkan loader (libvulkan.so.1)";
}

function bundledDriver(): Environment | string {
  if (!isMainThread) return "a worker thread can't choose it: set VK_ICD_FILENAMES before the start";
  const driver = swiftShader();
  if (!driver) return "no package @sparticuz/chromium, or not Linux on x86-64";
  if (!preload("libvulkan.so.1") && !preload(driver.loader)) return `can't load ${driver.loader}`;
  return { VK_ICD_FILENAMES: driver.icd, VK_DRIVER_FILES: undefined, VK_ADD_DRIVER_FILES: undefined };
}

/**
 * Loads a library into the process and leaves it there, so that Dawn's `dlopen("libvulkan.so.1")` finds it by its name
 * though no search path leads there; a changed LD_LIBRARY_PATH would need a new process.
 */
function preload(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    // Node loads it first and only then finds that it is no add-on of its own.
    return error instanceof Error && error.message.includes("did not self-register");
  }
  return true;
}

/** Dawn looks for drivers while `request` is being called, not later; the environment is restored for child processes. */
function withEnvironment<T>(environment: Environment, request: () => T): T {
  // Mesa complains when this is unset.
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

/** The live devices that come from `gpu`, of this adapter and of later ones. */
function followDevices(gpu: GPU, first: GPUAdapter): Set<GPUDevice> {
  const devices = new Set<GPUDevice>();
  const follow = (adapter: GPUAdapter) => {
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      devices.add(device);
      lifeline.set(device, gpu);
      // Dawn's own default is to print to stdout, where programs write their results. GpuDevice tells its errors itself.
      device.addEventListener("uncapturederror", (event) => {
        event.preventDefault();
        if (device.label !== DEVICE_LABEL) warn(`WebGPU: ${event.error.message}`);
      });
      device.lost.then(() => devices.delete(device));
      return device;
    };
    return adapter;
  };
  follow(first);
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    return adapter && follow(adapter);
  };
  return devices;
}

/** A driver's threads must not run on while the process takes down what they use: that ends in a crash. */
function destroyAll(): void {
  for (const { devices } of open) for (const device of devices) device.destroy();
}
