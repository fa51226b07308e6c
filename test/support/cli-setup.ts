/** Runs before the node project's tests: builds the package once for all files that start the command line. */
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "vite";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of the built package. */
    readonly nodeBuild: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const root = resolve(import.meta.dirname, "../..");
  const outDir = mkdtempSync(join(root, "node_modules", ".weft-test-build-"));
  await build({
    root,
    configFile: join(root, "vite.config.mts"),
    mode: "node",
    logLevel: "warn",
    build: { outDir, emptyOutDir: true },
  });
  project.provide("nodeBuild", outDir);
  return () => rmSync(outDir, { recursive: true, force: true });
}
