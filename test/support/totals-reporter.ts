/**
 * A vitest reporter that ends with the line counts of the library (told by house.test.ts) and with how many cases of ops were
 * checked, and writes `passed failed` of all projects to the file named by WEFT_TEST_TOTALS. A file that does not load, a suite
 * whose hook throws, a test left unfinished and an error outside of any test count as failed.
 */
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";
import { NUMERIC_CHECK } from "./check-names.ts";

export default class TotalsReporter implements Reporter {
  #lines: string | undefined;

  onUserConsoleLog: NonNullable<Reporter["onUserConsoleLog"]> = ({ content }) => {
    if (content.startsWith("Lines: ")) this.#lines = content.trimEnd();
  };

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
    for (const line of opChecks(modules)) console.log(line);
    if (this.#lines !== undefined) console.log(this.#lines);
    const file = process.env.WEFT_TEST_TOTALS;
    if (file) writeFileSync(file, `${passed} ${failed}\n`);
  };
}

/** A line per project: its passed tests of ops, and how many of them hold analytic against numeric gradients. */
function opChecks(modules: readonly TestModule[]): string[] {
  const counts = new Map<string, { ops: number; tests: number; numeric: number }>();
  for (const module of modules) {
    if (!/\/test\/ops\/[^/]+\.test\.ts$/.test(module.moduleId)) continue;
    const { name } = module.project;
    const count = counts.get(name) ?? { ops: 0, tests: 0, numeric: 0 };
    const passed = [...module.children.allTests("passed")];
    counts.set(name, {
      ops: count.ops + 1,
      tests: count.tests + passed.length,
      numeric: count.numeric + passed.filter((test) => test.name.includes(NUMERIC_CHECK)).length,
    });
  }
  return [...counts].map(
    ([project, { ops, tests, numeric }]) =>
      `Ops in ${project}: ${tests} cases of ${ops} files passed, ${numeric} of them CPU gradients against float64 differences.`,
  );
}
