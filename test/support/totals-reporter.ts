/**
 * A vitest reporter that writes `passed failed` of all projects to the file named by WEFT_TEST_TOTALS. A file that does
 * not load, a suite whose hook throws, a test left unfinished and an error outside of any test count as failed.
 */
import { writeFileSync } from "node:fs";
import type { Reporter } from "vitest/node";

export default class TotalsReporter implements Reporter {
  onTestRunEnd: NonNullable<Reporter["onTestRunEnd"]> = (modules, unhandledErrors) => {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state !== "skipped") failed += 1;
      }
    }
    const file = process.env.WEFT_TEST_TOTALS;
    if (file) writeFileSync(file, `${passed} ${failed}\n`);
  };
}
