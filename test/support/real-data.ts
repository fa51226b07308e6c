/**
 * Finds the published data sets for tests that want the real thing: the folder in WEFT_DATA, else `shared/datasets`
 * beside the repository. Where a set is missing its tests are left out, and their number is printed. Node only.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "vitest";

const candidates = [process.env.WEFT_DATA, resolve(import.meta.dirname, "../../../shared/datasets")];

/** The folder that holds this data set's folder, if any: "mnist", "cifar10", ... */
export function realDataDir(dataset: string): string | undefined {
  return candidates.find((folder) => folder && existsSync(join(folder, dataset)));
}

type RealTest = (name: string, run: (dataDir: string) => Promise<void> | void, timeout?: number) => void;

/** Gives `body` a test function for this data set; without the data the tests are left out and counted aloud. */
export function withRealData(dataset: string, body: (realTest: RealTest) => void): void {
  const dataDir = realDataDir(dataset);
  let leftOut = 0;
  body((name, run, timeout) => {
    if (dataDir) {
      test(name, () => run(dataDir), timeout);
    } else {
      leftOut++;
      test.skip(`${name} (no ${dataset}/ here)`, () => {});
    }
  });
  if (leftOut > 0) {
    console.warn(`${leftOut} tests left out: no ${dataset}/ found; set WEFT_DATA to a folder that holds it`);
  }
}
