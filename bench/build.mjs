// Builds the library of a checkout into a folder of its own, so that no benchmark uses a stale or half-written dist.
import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CACHE = join(ROOT, "bench/.cache");

/** Builds this checkout's library for Node; `WEFT_BUILD` names an existing build to use instead. */
export const libraryBuild = async () =>
  process.env.WEFT_BUILD ?? (await buildLibrary(ROOT, join(CACHE, "weft")));

/** As `libraryBuild`, for pages; gives the folder. */
export const pageBuild = async () =>
  dirname(process.env.WEFT_BUILD ?? (await buildLibrary(ROOT, join(CACHE, "weft-page"), "page")));

/** Builds `checkout` with this tree's Vite, for Node or for pages, and gives the path of its index.js. */
export async function buildLibrary(checkout, outDir, mode = "node") {
  const vite = join(ROOT, "node_modules/vite/bin/vite.js");
  const args = [vite, "build", "--mode", mode, "--logLevel", "warn", "--outDir", outDir, "--emptyOutDir"];
  await run(process.execPath, args, { cwd: checkout });
  return join(outDir, "index.js");
}

/** Builds the library of `revision` in a temporary work tree. */
export async function buildRevision(revision) {
  await run("mkdir", ["-p", CACHE]);
  const folder = await mkdtemp(join(CACHE, "revision-"));
  const tree = join(folder, "tree");
  const git = (...args) => run("git", args, { cwd: ROOT });
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await git("worktree", "add", "--detach", tree, revision);
    await symlink(join(ROOT, "node_modules"), join(tree, "node_modules"));
    const build = await buildLibrary(tree, join(folder, "weft"));
    return { build, remove };
  } catch (error) {
    await remove();
    throw error;
  } finally {
    await git("worktree", "remove", "--force", tree).catch(() => undefined);
  }
}
