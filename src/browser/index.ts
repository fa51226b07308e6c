/** Weft in a page or worker: devices through `navigator.gpu`, published data sets through `fetch`. */

import type { Backend } from "../runtime/backend.ts";
import { GpuBackend } from "../runtime/gpu/backend.ts";
import { choiceKinds, type DeviceChoice, openChosen } from "../runtime/open-device.ts";
import { DeviceError } from "../validation/errors.ts";
import { checkOptions } from "../validation/options.ts";

export { type DownloadProgress, datasets, type LoadOptions, loadDataset, pageMirrors } from "./datasets.ts";
export { cacheTuneStore } from "./tune-store.ts";

export type OpenOptions = DeviceChoice;

/** Opens the page's GPU. Throws DeviceError when WebGPU is required and there is none. */
export async function openDevice(options: OpenOptions = {}): Promise<Backend> {
  return openWith(checkOptions<OpenOptions>("openDevice", options, choiceKinds), false);
}

/** Waits before each attempt to replace a lost device: the browser may need a moment to restart its GPU process. */
const RETRY_MILLISECONDS = [0, 200, 800, 2000];

/** `lost`: whether the device replaces a lost one. */
function openWith(options: OpenOptions, lost: boolean): Promise<Backend> {
  const gpu = async (): Promise<Backend> => {
    const gpu = navigator.gpu as GPU | undefined;
    for (const wait of lost ? RETRY_MILLISECONDS : [0]) {
      await new Promise((resolve) => setTimeout(resolve, wait));
      const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
      if (!adapter) continue;
      const tuneStore = async () => (await import("./tune-store.ts")).cacheTuneStore();
      return GpuBackend.open(adapter, { tuneStore, reopen: () => openWith(options, true) });
    }
    throw new DeviceError(
      gpu === undefined
        ? "openDevice: this browser has no WebGPU; use a recent Chrome, Edge, Safari or Firefox, over https or localhost"
        : "openDevice: WebGPU is there, but it found no adapter; enable graphics acceleration in the browser's settings, and update the browser and the graphics driver",
    );
  };
  // Imported on demand: pages with WebGPU do not load the CPU reference.
  const cpu = async () => new (await import("../runtime/cpu/backend.ts")).CpuBackend();
  return openChosen(options, { gpu, cpu }, lost);
}
