/** Opens a device in Node and in a page: WebGPU, or with a notice the CPU reference where there is no WebGPU. */

import { ValueError } from "../validation/errors.ts";
import { warn } from "../validation/printable.ts";
import type { Backend } from "./backend.ts";

export interface DeviceChoice {
  /**
   * `"cpu"`: the CPU reference. `"auto"` (default): WebGPU, or with a notice the CPU reference. `"webgpu"`: the same as
   * `require: "webgpu"`.
   */
  readonly backend?: "auto" | "webgpu" | "cpu";
  /** Makes opening fail with a DeviceError where there is no WebGPU. */
  readonly require?: "webgpu";
  /**
   * Told in one line which device was opened and why not a better one; also when a lost device is replaced. Default:
   * `console.warn`, once per process, when the CPU reference takes the place of WebGPU.
   */
  readonly onNotice?: (line: string) => void;
}

export const choiceKinds = {
  backend: ["auto", "webgpu", "cpu"],
  require: ["webgpu"],
  onNotice: "function",
} as const;

/** How a host opens each kind of device. */
export interface Openers {
  readonly gpu: () => Promise<Backend>;
  readonly cpu: () => Backend | Promise<Backend>;
}

/**
 * The device that `choice` asks for. `lost`: whether it replaces a lost one. Throws ValueError on contradictory options, and
 * the error of `openers.gpu` where WebGPU is required.
 */
export async function openChosen(choice: DeviceChoice, openers: Openers, lost = false): Promise<Backend> {
  const { backend = "auto", require, onNotice = warnOnce } = choice;
  if (backend === "cpu") {
    if (require === undefined) return openers.cpu();
    throw new ValueError('openDevice: backend "cpu" and require "webgpu" exclude each other; leave one out');
  }
  try {
    return await openers.gpu();
  } catch (error) {
    if (backend === "webgpu" || require === "webgpu") throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const instead = lost
      ? "The device was lost and no other can be opened; going on with the CPU reference, which is slow, and whose results differ in the last digits."
      : 'No WebGPU; using the CPU reference, which is slow. To have an error instead: openDevice({ require: "webgpu" }); on the command line: --backend webgpu.';
    onNotice(`${instead} (${reason})`);
    return openers.cpu();
  }
}

const warned = new Set<string>();

function warnOnce(line: string): void {
  if (warned.has(line)) return;
  warned.add(line);
  warn(line);
}
