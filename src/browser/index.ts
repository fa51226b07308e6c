/** What Weft adds in a page or worker: devices through `navigator.gpu`, published data sets through `fetch`. */
import type { Backend } from "../backend.ts";
import { DeviceError } from "../errors.ts";
import { GpuBackend } from "../gpu/backend.ts";

export { type DownloadProgress, datasets, type LoadOptions, loadDataset, pageMirrors } from "./datasets.ts";
export { cacheTuneStore } from "./tune-store.ts";

export interface OpenOptions {
  /** `"webgpu"` and `"cpu"` insist; `"auto"` (default) falls back to the CPU reference when there is no adapter. */
  readonly backend?: "auto" | "webgpu" | "cpu";
}

/** Opens the page's GPU. Throws DeviceError when WebGPU is insisted on and there is none. */
export async function openDevice({ backend = "auto" }: OpenOptions = {}): Promise<Backend> {
  if (backend === "cpu") return cpuReference();
  const gpu = navigator.gpu as GPU | undefined;
  const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (adapter) {
    const tuneStore = async () => (await import("./tune-store.ts")).cacheTuneStore();
    return GpuBackend.open(adapter, { tuneStore, reopen: () => openDevice({ backend }) });
  }
  if (backend === "auto") return cpuReference();
  throw new DeviceError(
    gpu === undefined
      ? "openDevice: this browser has no WebGPU; use a recent Chrome, Edge, Safari or Firefox, over https or localhost"
      : "openDevice: WebGPU is there, but it found no adapter on this machine",
  );
}

/** Fetched where it is needed only. */
async function cpuReference(): Promise<Backend> {
  const { CpuBackend } = await import("../cpu/backend.ts");
  return new CpuBackend();
}
