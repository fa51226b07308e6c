/**
 * Unpacks the software Vulkan driver (SwiftShader and a Vulkan loader) that the npm package `@sparticuz/chromium`
 * carries, once and atomically, into the user's cache folder. For Linux on x86-64; elsewhere, or without the package,
 * there is none and the answer is undefined. Only plain files are taken out of an archive, without their folders.
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
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { DeviceError } from "../../common/errors.ts";
import { cacheDirectory } from "../files/cache-folder.ts";

/** Where the files of a software Vulkan driver lie. */
export interface VulkanDriver {
  /** The driver's manifest, for `VK_ICD_FILENAMES`. */
  readonly icd: string;
  /** A Vulkan loader, for systems that have none. */
  readonly loader: string;
}

/** SwiftShader, unpacked when it is not yet; undefined where there is none for this system. */
export function swiftShader(): VulkanDriver | undefined {
  const archives = chromiumArchives();
  if (!archives) return undefined;
  const folder = fillOnce(`swiftshader-${archives.version}`, (draft) => {
    unpackTar(join(archives.folder, "swiftshader.tar.br"), draft, /vulkan|vk_swiftshader/);
  });
  return { icd: join(folder, "vk_swiftshader_icd.json"), loader: join(folder, "libvulkan.so.1") };
}

/** The archives of `@sparticuz/chromium`, or undefined where it is not installed or does not run. */
export function chromiumArchives(): { folder: string; version: string } | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      // Its main file is build/cjs/index.cjs; it exports no package.json.
      const root = dirname(dirname(dirname(createRequire(from).resolve("@sparticuz/chromium"))));
      const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
      return { folder: join(root, "bin"), version };
    } catch {
      // Not installed as seen from here: try the next place.
    }
  }
  return undefined;
}

/** Where `fillOnce` makes its folders: the user's cache, or where that can't be written a private temporary folder. */
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
    // Somebody else could put a library there that this process would load.
    throw new DeviceError(`can't unpack to ${cache}, and ${shelter} is open to other users`, { cause });
  }
}

/** A folder in `unpackDirectory`, filled by `fill` if missing: absent or complete, whoever else does the same. */
export function fillOnce(name: string, fill: (draft: string) => void): string {
  const folder = join(unpackDirectory(), name);
  if (existsSync(folder)) return folder;
  const draft = `${folder}.${process.pid}-${Date.now().toString(36)}`;
  try {
    // For the owner alone: shared libraries and programs are loaded from here.
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    fill(draft);
    renameSync(draft, folder);
  } catch (error) {
    // Another process may have been first; its copy is as good.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}

/** Writes the plain files of a brotli-compressed tar archive whose names match, all into `folder` itself. */
export function unpackTar(archive: string, folder: string, wanted = /./): void {
  const tar = brotliDecompressSync(readFileSync(archive));
  const text = (at: number, length: number) => tar.toString("latin1", at, at + length).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= tar.length; ) {
    const size = Number.parseInt(text(at + 124, 12), 8) || 0;
    const name = text(at, 100).split("/").pop() ?? "";
    const isFile = text(at + 156, 1) === "0" && name !== "" && name !== "..";
    if (isFile && wanted.test(name)) {
      writeFileSync(join(folder, name), tar.subarray(at + 512, at + 512 + size), { mode: 0o755 });
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

/** Writes one brotli-compressed file, as a program. */
export function unpackFile(archive: string, file: string): void {
  writeFileSync(file, brotliDecompressSync(readFileSync(archive)), { mode: 0o755 });
}
