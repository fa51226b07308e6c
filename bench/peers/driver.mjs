// Chooses the Vulkan driver that Dawn will load, as environment variables for the child processes: SwiftShader out of
// the npm package @sparticuz/chromium (a development dependency of Weft), or whatever the environment says.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

/** Mesa keeps compiled shaders between runs, which would make the first step of a second run look fast. */
const NO_STORED_SHADERS = { MESA_SHADER_CACHE_DISABLE: "true" };

/** Environment for a process that is to use `driver` ("swiftshader" or "env"). */
export function driverEnvironment(driver) {
  const common = { ...process.env, ...NO_STORED_SHADERS };
  if (driver === "env") return common;
  if (driver !== "swiftshader") throw new Error(`--driver: expected swiftshader or env, got ${driver}`);
  const folder = unpackSwiftShader();
  const libraries = [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":");
  return {
    ...common,
    VK_ICD_FILENAMES: join(folder, "vk_swiftshader_icd.json"),
    LD_LIBRARY_PATH: libraries,
  };
}

/** Unpacks the driver once into .cache beside this file and returns the folder. */
export function unpackSwiftShader() {
  const folder = fileURLToPath(new URL(".cache/swiftshader", import.meta.url));
  if (existsSync(join(folder, "libvk_swiftshader.so"))) return folder;
  const archive = readFileSync(join(chromiumFolder(), "bin", "swiftshader.tar.br"));
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  execFileSync("tar", ["-x", "-C", fresh], { input: brotliDecompressSync(archive) });
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
  return folder;
}

function chromiumFolder() {
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "bin", "swiftshader.tar.br"))) return folder;
  }
  throw new Error(
    "swiftshader: @sparticuz/chromium holds no bin/swiftshader.tar.br; run npm install in the repository's root",
  );
}
