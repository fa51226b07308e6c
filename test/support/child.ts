/**
 * Runs scripts in Node processes of their own, for tests about starting and ending. TypeScript is bundled to a folder
 * inside the repository first, where packages are found as usual.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "vite";
import { HANG_LIMIT_MS } from "./hang-limit.ts";

/** Bundles one module of `src` and answers the path of the JavaScript; `remove` deletes it. */
export async function bundle(entry: string): Promise<{ file: string; remove: () => void }> {
  const root = resolve(import.meta.dirname, "../..");
  const folder = mkdtempSync(join(root, "node_modules", ".weft-test-"));
  await build({
    root,
    configFile: false,
    logLevel: "warn",
    build: {
      ssr: true,
      outDir: folder,
      minify: false,
      rollupOptions: { input: join(root, entry), output: { entryFileNames: "module.mjs" } },
    },
  });
  return { file: join(folder, "module.mjs"), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface Ended {
  /** Exit code, or null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `script` as an ES module; ended with SIGKILL when it hangs. */
export function runScript(script: string, env: Record<string, string | undefined> = {}): Promise<Ended> {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (out.stderr += text));
  const timer = setTimeout(() => child.kill("SIGKILL"), HANG_LIMIT_MS);
  return new Promise((done, failed) => {
    child.on("error", failed);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      done({ code, signal, ...out });
    });
  });
}
