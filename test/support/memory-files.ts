/** Files in memory, for tests that run in pages too. */
import type { FileStore } from "../../src/runtime/backend.ts";

export class MemoryFiles implements FileStore {
  readonly files = new Map<string, Uint8Array>();

  async read(path: string): Promise<Uint8Array> {
    const bytes = this.files.get(path);
    if (bytes === undefined) throw new Error(`${path}: not there`);
    return Uint8Array.from(bytes);
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    this.files.set(path, Uint8Array.from(bytes));
  }

  async list(directory: string): Promise<string[]> {
    const start = `${directory}/`;
    return [...this.files.keys()].filter((p) => p.startsWith(start)).map((p) => p.slice(start.length));
  }

  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }
}
