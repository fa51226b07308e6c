/**
 * Opens the best device of this machine: a hardware adapter, else a software one, or the CPU reference when asked
 * for. Gives it the file system.
 */
import { readdir, rm } from "node:fs/promises";
import { WeftError } from "../../common/errors.ts";
import { checkOptions } from "../../common/options.ts";
import type { Backend, FileStore } from "../../runtime/backend.ts";
import { CpuBackend } from "../../runtime/cpu/backend.ts";
import { GpuBackend } from "../../runtime/gpu/backend.ts";
import { choiceKinds, type DeviceChoice, openChosen } from "../../runtime/open-device.ts";
import { writeFileAtomic } from "../files/atomic-write.ts";
import { lockFolder } from "../files/folder-lock.ts";
import { fileBytes, readPlainFile } from "../files/plain-file.ts";
import { openDawn } from "./dawn.ts";

export interface OpenOptions extends DeviceChoice {
  /** True: a software adapter even where there is hardware; false: hardware or none. */
  readonly software?: boolean;
  /** Width of the floats of `backend: "cpu"`; default 32. */
  readonly bits?: 32 | 64;
  /** Ask for WebGPU's guaranteed limits only. */
  readonly limits?: "best" | "default";
}

/** Headless, a submit may take this long: long enough to hide its cost, short enough for a live progress bar. */
const SUBMIT_MILLISECONDS = 100;

/** Files by path, written whole or not at all. */
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

/** `lost`: whether it replaces a lost device. */
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
  // A fallback has the precision that programs have on a GPU.
  const cpu = () => new CpuBackend({ files: nodeFiles, bits: backend === "cpu" ? bits : 32 });
  return openChosen(options, { gpu, cpu }, lost);
}
