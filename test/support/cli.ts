/** The command line as it is published, run in processes of its own. Node only. */
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { inject, vi } from "vitest";
import { describeFailure, exitCodeOf } from "../../src/node/cli/exit-codes.ts";
import { runCommand } from "../../src/node/cli/program.ts";
import { swiftShader } from "../../src/node/device/swiftshader.ts";
import type { Ended } from "./child.ts";
import { HANG_LIMIT_MS } from "./hang-limit.ts";

const root = resolve(import.meta.dirname, "../..");

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called with the process as it starts. */
  readonly onStart?: (child: ChildProcess) => void;
}

export interface Cli {
  /** The built entry. */
  readonly file: string;
  /** An empty folder in which commands run. */
  readonly folder: string;
  /** Ended with SIGKILL when it hangs. */
  run(words: readonly string[], options?: RunOptions): Promise<Ended>;
  /**
   * Runs a command that must be refused in this process, which takes a tenth of the time. Not the built code, and without
   * what main.ts does.
   */
  refusal(words: readonly string[]): Promise<Omit<Ended, "signal">>;
  remove(): void;
}

/**
 * A copy of the package that cli-setup.ts has built: test files put preload scripts beside it. It lies inside the repository,
 * where packages are found as usual.
 */
export async function buildCli(): Promise<Cli> {
  const outDir = mkdtempSync(join(root, "node_modules", ".weft-test-cli-"));
  const folder = mkdtempSync(join(tmpdir(), "weft-cli-"));
  cpSync(inject("nodeBuild"), outDir, { recursive: true });
  const file = join(outDir, "cli.js");
  return {
    file,
    folder,
    run: (words, options) => runCli(file, folder, words, options),
    refusal: (words) => refusal(folder, words),
    remove() {
      for (const made of [outDir, folder]) rmSync(made, { recursive: true, force: true });
    },
  };
}

/** Environment in which no file is ever saved whole, so that a clean stop takes for ever. */
export function neverSaved({ file }: Cli): { NODE_OPTIONS: string } {
  const preload = join(file, "../never-saved.mjs");
  writeFileSync(
    preload,
    `import fs from "node:fs/promises";
     import { syncBuiltinESMExports } from "node:module";
     const { rename } = fs;
     // What the command tries at its start, whether it may write there, goes through.
     fs.rename = (from, to) =>
       to.includes(".probe") ? rename(from, to) : new Promise(() => setInterval(() => 0, 1e6));
     syncBuiltinESMExports();`,
  );
  return { NODE_OPTIONS: `--import ${preload}` };
}

/** SwiftShader, so that every machine tests the same, and no data but what a test names. */
function environment(folder: string): Record<string, string | undefined> {
  const named = process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES;
  const driver = named ? {} : { VK_ICD_FILENAMES: swiftShader()?.icd };
  return { ...process.env, ...driver, WEFT_DATA: join(folder, "no-data") };
}

function runCli(
  file: string,
  folder: string,
  words: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const { env = {}, onStart } = options;
  const child = spawn(process.execPath, [file, ...words], {
    cwd: folder,
    env: { ...environment(folder), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (out.stderr += text));
  const timer = setTimeout(() => child.kill("SIGKILL"), HANG_LIMIT_MS);
  onStart?.(child);
  return new Promise((done, failed) => {
    child.on("error", failed);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      done({ code, signal, ...out });
    });
  });
}

async function refusal(folder: string, words: readonly string[]): Promise<Omit<Ended, "signal">> {
  const before = process.cwd();
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  process.chdir(folder);
  try {
    const error: unknown = await runCommand(words).catch((cause: unknown) => cause);
    const stdout = write.mock.calls.map(([text]) => String(text)).join("");
    return { code: exitCodeOf(error), stdout, stderr: `${describeFailure(error)}\n` };
  } finally {
    process.chdir(before);
    write.mockRestore();
  }
}

/** The objects of `--json` output; fails on a line that is none. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
