/**
 * Reads the files under test/fixtures by their path there, the same call in Node (file system) and in a page (the test
 * server). Refuses paths that name no fixture, with the folder's nearest listing.
 */
import { inPage } from "./in-page.ts";

// Lazy: only the names are wanted; nothing is imported through it.
const known = Object.keys(import.meta.glob("../fixtures/**/*.{json,bin,safetensors}"))
  .map((key) => key.slice("../fixtures/".length))
  .sort();
// In a page the test server answers from the repository's root.
const root = inPage ? "/test/fixtures/" : new URL("../fixtures/", import.meta.url).href;

/** Paths of all fixtures in a folder and below: `listFixtures("golden/softmax")`. */
export function listFixtures(folder: string, suffix = ""): string[] {
  const prefix = folder === "" ? "" : `${folder.replace(/\/$/, "")}/`;
  return known.filter((path) => path.startsWith(prefix) && path.endsWith(suffix));
}

/** The bytes of one fixture: `readFixture("golden/matmul/matmul_3x1000x2.a.bin")`. */
export async function readFixture(path: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!known.includes(path)) {
    const near = listFixtures(path.slice(0, path.lastIndexOf("/")));
    throw new Error(`readFixture: no fixture ${path}; that folder holds: ${near.join(", ") || "nothing"}`);
  }
  if (!inPage) {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(new URL(path, root)));
  }
  const response = await fetch(root + path);
  if (!response.ok) throw new Error(`readFixture: ${path}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A JSON fixture, parsed; the caller says what it holds. */
export async function readJsonFixture<T>(path: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await readFixture(path))) as T;
}
