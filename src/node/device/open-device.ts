/** Opens the best device of this machine: a hardware adapter, else a software adapter, or the CPU reference on request. */
import { readdir, rm } from "node:fs/promises";
import type { Backend, FileStore } from "../../runtime/backend.ts";
import { CpuBackend } from "../../runtime/cpu/backend.ts";
import { GpuBackend } from "../../runtime/gpu/backend.ts";
import { choiceKinds, type DeviceChoice, openChosen } from "../../runtime/open-device.ts";
import { WeftError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { writeFileAtomic } from "../files/atomic-write.ts";
import { lockFolder } from "../files/folder-lock.ts";
import { fileBytes, readPlainFile } from "../files/plain-file.ts";
import { openDawn } from "./dawn.ts";

export interface OpenOptions extends DeviceChoice {
  /** True: a software adapter even if there is a GPU; false: a GPU or an error. */
  readonly software?: boolean;
  /** Width of the floats of `backend: "cpu"`; default 32. */
  readonly bits?: 32 | 64;
  /** "default" requests only the limits that WebGPU guarantees; default "best". */
  readonly limits?: "best" | "default";
}

/** Target duration of a submit: long enough to hide its overhead, short enough for a live progress bar. */
const SUBMIT_MILLISECONDS = 100;

/** The file system for trainers: files are written whole or not at all. */
export const nodeFiles: FileStore = {
  async read(path, most) {
    if (most === undefined) return readPlainFile(path);
    const file = await fileBytes(path);
    return file.read(0, Math.min(most, file.size));
  },
  write: (path, bytes) => writeFileAtomic(path, bytes),
  async list(directory) {
    try {
      return await readdir(directory);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw new WeftError(`${directory}: can't be read: ${(cause as Error).message}`, { cause });
    }
  },
  remove: (path) => rm(path, { force: true }),
  lock: (directory, onNotice) => lockFolder(directory, onNotice),
};

/** Opens a device. Throws DeviceError when WebGPU is required and there is no adapter. */
export async function openDevice(options: OpenOptions = {}): Promise<Backend> {
  const kinds = { ...choiceKinds, software: "boolean", bits: "number", limits: ["best", "default"] } as const;
  return openWith(checkOptions<OpenOptions>("openDevice", options, kinds), false);
}

/** `lost`: whether the device replaces a lost one. */
function openWith(options: OpenOptions, lost: boolean): Promise<Backend> {
  const { software, limits = "best", backend, bits = 32, onNotice } = options;
  const gpu = async (): Promise<Backend> => {
    const { adapter, kind, driver, close } = await openDawn(software === undefined ? {} : { software });
    if (kind === "software" && !lost) onNotice?.(`No GPU found; using the software adapter ${driver}.`);
    try {
      return await GpuBackend.open(adapter, {
        limits,
        files: nodeFiles,
        tuneStore: async () => (await import("./tune-store.ts")).fileTuneStore(),
        submitMilliseconds: SUBMIT_MILLISECONDS,
        reopen: () => openWith(options, true),
        onClose: close,
      });
    } catch (error) {
      await close();
      throw error;
    }
  };
  // As a fallback for WebGPU it computes in float32, as a GPU does.
  const cpu = () => new CpuBackend({ files: nodeFiles, bits: backend === "cpu" ? bits : 32 });
  return openChosen(options, { gpu, cpu }, lost);
}
