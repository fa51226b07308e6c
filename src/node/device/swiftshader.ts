/**
 * Unpacks the software Vulkan driver of the npm package `@sparticuz/chromium` (SwiftShader and a Vulkan loader), once, into the
 * user's cache folder. For Linux on x86-64 only.
 */
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { parseTar } from "../../data/archives/tar.ts";
import { DeviceError } from "../../validation/errors.ts";
import { cacheDirectory } from "../files/cache-folder.ts";

/** Paths of a software Vulkan driver. */
export interface VulkanDriver {
  /** The driver's manifest, for `VK_ICD_FILENAMES`. */
  readonly icd: string;
  /** A Vulkan loader (libvulkan), for systems that have none. */
  readonly loader: string;
}

/** SwiftShader, unpacked at first use; undefined where the package is not installed or is not for this system. */
export function swiftShader(): VulkanDriver | undefined {
  const archives = chromiumArchives();
  if (!archives) return undefined;
  const folder = fillOnce(`swiftshader-${archives.version}`, (draft) => {
    unpackTar(join(archives.folder, "swiftshader.tar.br"), draft, /vulkan|vk_swiftshader/);
  });
  return { icd: join(folder, "vk_swiftshader_icd.json"), loader: join(folder, "libvulkan.so.1") };
}

/** The archives of `@sparticuz/chromium`; undefined where it is not installed or is not for this system. */
export function chromiumArchives(): { folder: string; version: string } | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      // The package does not export its package.json; its main file is build/cjs/index.cjs.
      const root = dirname(dirname(dirname(createRequire(from).resolve("@sparticuz/chromium"))));
      const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
      return { folder: join(root, "bin"), version };
    } catch {
      // Not found from here: try the next place.
    }
  }
  return undefined;
}

/** Where `fillOnce` creates its folders: the cache folder or, if that is not writable, a private temporary folder. */
export function unpackDirectory(): string {
  const cache = cacheDirectory();
  try {
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    accessSync(cache, constants.W_OK);
    return cache;
  } catch (cause) {
    const user = process.getuid?.();
    const shelter = join(tmpdir(), `weft-${user}`);
    mkdirSync(shelter, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(shelter);
    if (uid === user && (mode & 0o022) === 0) return shelter;
    // Another user could put a library there that this process would load.
    throw new DeviceError(`can't unpack to ${cache}, and ${shelter} is open to other users`, { cause });
  }
}

/** A folder in `unpackDirectory`, filled by `fill` if missing. It is complete or absent, even if processes compete. */
export function fillOnce(name: string, fill: (draft: string) => void): string {
  const folder = join(unpackDirectory(), name);
  if (existsSync(folder)) return folder;
  const draft = `${folder}.${process.pid}-${Date.now().toString(36)}`;
  try {
    // Only for the owner: shared libraries and programs are loaded from here.
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    fill(draft);
    renameSync(draft, folder);
  } catch (error) {
    // Another process may have been first; its copy is the same.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

/** Writes the regular files of a brotli-compressed tar archive whose names match, all into `folder` itself. */
export function unpackTar(archive: string, folder: string, wanted = /./): void {
  for (const [path, content] of parseTar(brotliDecompressSync(readFileSync(archive)), archive)) {
    if (wanted.test(basename(path))) writeFileSync(join(folder, basename(path)), content, { mode: 0o755 });
  }
}
