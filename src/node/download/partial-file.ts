/**
 * What has come of a download, kept beside its target so that a later process goes on with it. Only one process at a time
 * keeps one; where there can be none (a lock, a full disk) the download goes on without.
 */
import { type FileHandle, open, readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { FolderLock } from "../../runtime/backend.ts";
import { lockFolder } from "../files/folder-lock.ts";

/** Less than this is sooner fetched again. */
const WORTH_KEEPING = 2 ** 16;

export class PartFile {
  #file: FileHandle | undefined;
  #lock: FolderLock | undefined;
  #written = 0;
  #usable = true;

  /** `bytes`: where the download gathers. `path` undefined: nothing is kept. */
  constructor(
    readonly path: string | undefined,
    readonly bytes: Uint8Array,
  ) {
    this.#usable = path !== undefined;
  }

  /** Puts what an earlier process kept into `bytes`; answers how many bytes that are. */
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
    this.#written = found.length;
    return found.length;
  }

  /** Keeps the first `received` bytes. */
  async keep(received: number): Promise<void> {
    if (!this.#usable || (this.#file === undefined && received < WORTH_KEEPING)) return;
    if (this.#file === undefined && !(await this.#open("w"))) return;
    try {
      if (received < this.#written) {
        await this.#file?.truncate(received);
        this.#written = received;
      }
      const fresh = this.bytes.subarray(this.#written, received);
      await this.#file?.write(fresh, 0, fresh.length, this.#written);
      this.#written = received;
    } catch {
      await this.close("remove");
    }
  }

  async close(then: "keep" | "remove"): Promise<void> {
    this.#usable = false;
    await this.#file?.close().catch(() => undefined);
    const isWorthIt = then === "keep" && this.#written >= WORTH_KEEPING;
    if (this.#file !== undefined && !isWorthIt)
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
