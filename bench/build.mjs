// Builds the library of a checkout into a folder of its own, so that timing never meets a half-written or stale dist.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** This checkout's library, built now; `WEFT_BUILD` names a build to use instead. */
export const libraryBuild = async () =>
  process.env.WEFT_BUILD ?? (await buildLibrary(ROOT, join(ROOT, "bench/.cache/weft")));

/** Builds `checkout` with this tree's Vite and gives the path of its index.js. */
export async function buildLibrary(checkout, outDir) {
  const vite = join(ROOT, "node_modules/vite/bin/vite.js");
  const args = [vite, "build", "--logLevel", "warn", "--outDir", outDir, "--emptyOutDir"];
  await promisify(execFile)(process.execPath, args, { cwd: checkout });
  return join(outDir, "index.js");
}
