/**
 * Opens the best device of this machine: a hardware adapter, else a software one, or the CPU reference when asked
 * for. Gives it the file system.
 */
import { open, readdir, readFile, rm } from "node:fs/promises";
import type { Backend, FileStore } from "../backend.ts";
import { CpuBackend } from "../cpu/backend.ts";
import { ValueError, WeftError } from "../errors.ts";
import { GpuBackend } from "../gpu/backend.ts";
import { openDawn } from "./dawn.ts";
import { writeFileAtomic } from "./files.ts";
import { lockFolder } from "./lock.ts";

export interface OpenOptions {
  /** `"webgpu"` and `"cpu"` insist; `"auto"` (default) falls back to the CPU reference when there is no adapter. */
  readonly backend?: "auto" | "webgpu" | "cpu";
  /** True: a software adapter even where there is hardware; false: hardware or none. */
  readonly software?: boolean;
  /** Width of the floats of `backend: "cpu"`; default 32. */
  readonly bits?: 32 | 64;
  /** Ask for WebGPU's guaranteed limits only. */
  readonly limits?: "best" | "default";
  /** Told in one line what was found, and why it is not better. */
  readonly onNotice?: (line: string) => void;
}

/** Headless, a submit may take this long: long enough to hide its cost, short enough for a live progress bar. */
const SUBMIT_MILLISECONDS = 100;

/** Files by path, written whole or not at all. */
export const nodeFiles: FileStore = {
  async read(path, most) {
    try {
      return await (most === undefined ? readFile(path) : readStart(path, most));
    } catch (cause) {
      throw new WeftError(`${path}: can't be read: ${(cause as Error).message}`, { cause });
    }
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

async function readStart(path: string, most: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(most), 0, most, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Opens a device. Throws DeviceError when WebGPU is insisted on and there is no adapter. */
export async function openDevice(options: OpenOptions = {}): Promise<Backend> {
  const { backend = "auto", onNotice = () => undefined } = options;
  if (!["auto", "webgpu", "cpu"].includes(backend)) {
    throw new ValueError(`openDevice: backend must be auto, webgpu or cpu, got ${String(backend)}`);
  }
  if (backend === "cpu") return new CpuBackend({ files: nodeFiles, bits: options.bits ?? 32 });
  try {
    const { adapter, kind, driver, close } = await openDawn(
      options.software === undefined ? {} : { software: options.software },
    );
    if (kind === "software") onNotice(`No GPU found; using the software adapter ${driver}.`);
    const limits = options.limits ?? "best";
    return await GpuBackend.open(adapter, {
      limits,
      files: nodeFiles,
      tuneStore: async () => (await import("./tune-store.ts")).fileTuneStore(),
      submitMilliseconds: SUBMIT_MILLISECONDS,
      reopen: () => openDevice(options),
      onClose: close,
    });
  } catch (error) {
    if (backend === "webgpu") throw error;
    onNotice(`No WebGPU adapter; using the CPU reference, which is slow. (${(error as Error).message})`);
    return new CpuBackend({ files: nodeFiles });
  }
}
