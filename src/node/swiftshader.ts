/**
 * Unpacks the software Vulkan driver (SwiftShader and a Vulkan loader) that the npm package `@sparticuz/chromium`
 * carries, once and atomically, into a per-user cache folder. Linux on x86-64 only: elsewhere, or without the package,
 * there is none and the answer is undefined. Archives are trusted as npm verified them; no link or path leaves the folder.
 */
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { brotliDecompressSync, createBrotliDecompress } from "node:zlib";

/** Where the files of a software Vulkan driver lie. */
export interface VulkanDriver {
  /** The driver's manifest, for `VK_ICD_FILENAMES`. */
  readonly icd: string;
  /** A Vulkan loader, for systems that have none. */
  readonly loader: string;
}

/** The `bin` folder of `@sparticuz/chromium` and its version, or undefined where it is not installed. */
export function chromiumPackage(): { bin: string; version: string } | undefined {
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      const root = dirname(dirname(dirname(createRequire(from).resolve("@sparticuz/chromium"))));
      const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
      return { bin: join(root, "bin"), version };
    } catch {
      // Not installed as seen from here: try the next place.
    }
  }
  return undefined;
}

/** Weft's folder for what can be made again: `$WEFT_CACHE`, `$XDG_CACHE_HOME/weft` or `~/.cache/weft`. */
export function cacheFolder(...parts: string[]): string {
  const root =
    process.env.WEFT_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "weft");
  return join(root, ...parts);
}

/** Fills `folder` through `fill`, so that it is either absent or complete, whoever else is doing the same. */
export function fillOnce(folder: string, fill: (draft: string) => void): string {
  if (existsSync(folder)) return folder;
  const draft = makeDraft(folder);
  try {
    fill(draft);
    publish(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

/** `fillOnce` for work that waits. */
export async function fillOnceAsync(folder: string, fill: (draft: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder;
  const draft = makeDraft(folder);
  try {
    await fill(draft);
    publish(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

function makeDraft(folder: string): string {
  const draft = `${folder}.${process.pid}.${Date.now().toString(36)}`;
  // Only the owner may write here: shared libraries are loaded from it.
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  return draft;
}

function publish(draft: string, folder: string): void {
  try {
    renameSync(draft, folder);
  } catch (error) {
    // Another process was first; its copy is as good.
    if (!existsSync(folder)) throw error;
  }
}

/** Writes the plain files of a brotli-compressed tar archive into `folder`, dropping the archive's own folders. */
export function unpackTar(
  archive: string,
  folder: string,
  wanted: (name: string) => boolean = () => true,
): void {
  const tar = brotliDecompressSync(readFileSync(archive));
  const text = (at: number, length: number) => tar.toString("latin1", at, at + length).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= tar.length; ) {
    const size = Number.parseInt(text(at + 124, 12).trim() || "0", 8);
    const name = text(at, 100).split("/").pop() ?? "";
    const isFile = text(at + 156, 1) === "0" || tar[at + 156] === 0;
    if (isFile && name !== "" && name !== ".." && wanted(name)) {
      writeFileSync(join(folder, name), tar.subarray(at + 512, at + 512 + size), { mode: 0o755 });
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

/** Writes one brotli-compressed file, as a program. */
export async function unpackFile(archive: string, file: string): Promise<void> {
  const output = createWriteStream(file, { mode: 0o755 });
  await pipeline(createReadStream(archive), createBrotliDecompress({ chunkSize: 1 << 20 }), output);
}

/** SwiftShader, unpacked when it is not yet; undefined where there is none for this system. */
export function swiftShader(): VulkanDriver | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const found = chromiumPackage();
  if (!found) return undefined;
  const folder = fillOnce(cacheFolder(`swiftshader-${found.version}`), (draft) =>
    unpackTar(
      join(found.bin, "swiftshader.tar.br"),
      draft,
      (name) => name.includes("vulkan") || name.includes("vk_"),
    ),
  );
  return { icd: join(folder, "vk_swiftshader_icd.json"), loader: join(folder, "libvulkan.so.1") };
}
