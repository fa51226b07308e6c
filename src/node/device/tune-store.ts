/** Where this computer keeps measured kernel choices: a folder in the cache folder, one file per adapter. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TuneStore } from "../../runtime/backend.ts";
import { writeFileAtomic } from "../files/atomic-write.ts";
import { cacheDirectory } from "../files/cache-folder.ts";

/** The folder of `fileTuneStore` unless another is given. */
export function tuneDirectory(): string {
  return join(cacheDirectory(), "tune");
}

/** Files are written whole or not at all; a folder that is not there is made when something is saved. */
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

/** Readable, and different for adapters that differ in anything. */
function fileName(adapter: string): string {
  const words = adapter.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 60);
  return `${words}-${createHash("sha256").update(adapter).digest("hex").slice(0, 8)}.json`;
}
