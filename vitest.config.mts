/**
 * Four test projects. `node`: test/node, what only Node has. `demo`: test/demo, the built page. `dawn` and `chromium`:
 * every other test file, the same ones in Node on Dawn and in a page of headless Chromium; test/browser in chromium alone.
 */
import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { chromiumLaunch } from "./test/support/drivers.ts";
import { HANG_LIMIT_MS } from "./test/support/hang-limit.ts";

const everywhere = ["test/**/*.test.ts"];
const source = (file: string) => fileURLToPath(new URL(file, import.meta.url));
/** For test/support/custom-op.ts and the examples, which import the package by its name as users do. */
const resolve = {
  alias: [
    { find: /^weft$/, replacement: source("src/index.ts") },
    { find: /^weft\/node$/, replacement: source("src/node/index.ts") },
  ],
};
const limits = {
  testTimeout: 1.5 * HANG_LIMIT_MS,
  hookTimeout: 1.5 * HANG_LIMIT_MS,
  expect: { poll: { timeout: HANG_LIMIT_MS } },
};
/** Commands in processes of their own, which often wait: three at a time, when the other projects are done. */
const waiting = { maxWorkers: 3, sequence: { groupOrder: 1 } };

export default defineConfig({
  test: {
    // One worker in Node beside the one page: a software adapter is itself multi-threaded. What mostly waits comes after.
    maxWorkers: 1,
    reporters: ["default", "./test/support/totals-reporter.ts"],
    projects: [
      {
        resolve,
        test: {
          name: "node",
          include: ["test/node/**/*.test.ts"],
          globalSetup: ["test/support/cli-setup.ts"],
          ...waiting,
          ...limits,
        },
      },
      {
        test: {
          name: "demo",
          include: ["test/demo/**/*.test.ts"],
          globalSetup: ["test/support/demo-setup.ts"],
          ...limits,
        },
      },
      {
        resolve,
        test: {
          name: "dawn",
          include: everywhere,
          exclude: ["test/node/**", "test/browser/**", "test/demo/**"],
          // Files share modules and the GPU: opening both anew for each file costs more than most files take.
          isolate: false,
          ...limits,
        },
      },
      {
        resolve,
        test: {
          name: "chromium",
          include: everywhere,
          exclude: ["test/node/**", "test/demo/**"],
          isolate: false,
          globalSetup: ["test/support/chromium-setup.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            connectTimeout: HANG_LIMIT_MS,
            provider: playwright({ launchOptions: chromiumLaunch }),
            instances: [{ browser: "chromium" }],
          },
          ...limits,
        },
      },
    ],
  },
});
