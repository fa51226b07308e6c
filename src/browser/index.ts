/** What Weft adds in a page or worker: devices through `navigator.gpu`, published data sets through `fetch`. */

import { DeviceError } from "../common/errors.ts";
import { checkOptions } from "../common/options.ts";
import type { Backend } from "../runtime/backend.ts";
import { GpuBackend } from "../runtime/gpu/backend.ts";
import { choiceKinds, type DeviceChoice, openChosen } from "../runtime/open-device.ts";

export { type DownloadProgress, datasets, type LoadOptions, loadDataset, pageMirrors } from "./datasets.ts";
export { cacheTuneStore } from "./tune-store.ts";

export type OpenOptions = DeviceChoice;

/** Opens the page's GPU. Throws DeviceError when WebGPU is required and there is none. */
export async function openDevice(options: OpenOptions = {}): Promise<Backend> {
  return openWith(checkOptions<OpenOptions>("openDevice", options, choiceKinds), false);
}

/** After a loss a browser may take a moment until it has an adapter again. */
const RETRY_MILLISECONDS = [0, 200, 800, 2000];

/** `lost`: whether it replaces a lost device. */
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
  return openChosen(options, { gpu, cpu: cpuReference }, lost);
}

/** Fetched where it is needed only. */
async function cpuReference(): Promise<Backend> {
  const { CpuBackend } = await import("../runtime/cpu/backend.ts");
  return new CpuBackend();
}
