/** Stores measured kernel choices on this computer: one file per adapter, in the cache folder. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TuneStore } from "../../runtime/backend.ts";
import { writeFileAtomic } from "../files/atomic-write.ts";
import { cacheDirectory } from "../files/cache-folder.ts";

/** The default folder of `fileTuneStore`. */
export function tuneDirectory(): string {
  return join(cacheDirectory(), "tune");
}

/** A store in `folder`, which is created when something is saved. Files are written whole or not at all. */
export function fileTuneStore(folder: string = tuneDirectory()): TuneStore {
  return {
    place: folder,
    async load(adapter) {
      try {
        return await readFile(join(folder, fileName(adapter)), "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
    save: (adapter, text) => writeFileAtomic(join(folder, fileName(adapter)), text),
  };
}

/** A readable file name; the hash distinguishes adapters whose names differ only in punctuation. */
function fileName(adapter: string): string {
  const words = adapter.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 60);
  return `${words}-${createHash("sha256").update(adapter).digest("hex").slice(0, 8)}.json`;
}
