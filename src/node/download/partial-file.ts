/**
 * Stores the received part of a download beside its target, so that a later process can resume it. Only one process at a time
 * stores a part; where none can be stored (another process's lock, a full disk) the download continues without it.
 */
import { type FileHandle, open, readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { FolderLock } from "../../runtime/backend.ts";
import { lockFolder } from "../files/folder-lock.ts";

/** Smaller parts are not stored: downloading them again is as fast. */
const SMALLEST_PART = 2 ** 16;

export class PartialFile {
  #file: FileHandle | undefined;
  #lock: FolderLock | undefined;
  #stored = 0;
  #usable: boolean;

  /** `bytes`: the buffer of the download. Without `path` nothing is stored. */
  constructor(
    readonly path: string | undefined,
    readonly bytes: Uint8Array,
  ) {
    this.#usable = path !== undefined;
  }

  /** Reads what an earlier process stored into `bytes` and returns its size in bytes. */
  async load(): Promise<number> {
    const size = await stat(this.path ?? "").then(
      (info) => (info.isFile() ? info.size : 0),
      () => 0,
    );
    if (size === 0 || !(await this.#open("r+"))) return 0;
    const found =
      size < this.bytes.length ? await readFile(this.path as string).catch(() => undefined) : undefined;
    if (found === undefined || found.length >= this.bytes.length) return 0;
    this.bytes.set(found);
    this.#stored = found.length;
    return found.length;
  }

  /** Stores the first `received` bytes. */
  async store(received: number): Promise<void> {
    if (!this.#usable || (this.#file === undefined && received < SMALLEST_PART)) return;
    if (this.#file === undefined && !(await this.#open("w"))) return;
    try {
      if (received < this.#stored) {
        await this.#file?.truncate(received);
        this.#stored = received;
      }
      const fresh = this.bytes.subarray(this.#stored, received);
      await this.#file?.write(fresh, 0, fresh.length, this.#stored);
      this.#stored = received;
    } catch {
      await this.close("remove");
    }
  }

  async close(then: "keep" | "remove"): Promise<void> {
    this.#usable = false;
    await this.#file?.close().catch(() => undefined);
    const isKept = then === "keep" && this.#stored >= SMALLEST_PART;
    if (this.#file !== undefined && !isKept)
      await rm(this.path as string, { force: true }).catch(() => undefined);
    this.#file = undefined;
    await this.#lock?.release();
    this.#lock = undefined;
  }

  async #open(flags: "r+" | "w"): Promise<boolean> {
    try {
      this.#lock = await lockFolder(dirname(this.path as string));
      this.#file = await open(this.path as string, flags);
    } catch {
      await this.close("keep");
    }
    return this.#file !== undefined;
  }
}
