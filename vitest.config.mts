/**
 * Three test projects. `node`: test/node, what only Node has. `dawn` and `chromium`: every other test file, the same
 * ones in Node on Dawn and in a page of headless Chromium; test/browser runs in chromium alone.
 */
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { chromiumLaunch } from "./test/support/drivers.ts";

const everywhere = ["test/**/*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { test: { name: "node", include: ["test/node/**/*.test.ts"] } },
      {
        test: {
          name: "dawn",
          include: everywhere,
          exclude: ["test/node/**", "test/browser/**"],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "chromium",
          include: everywhere,
          exclude: ["test/node/**"],
          testTimeout: 60_000,
          globalSetup: ["test/support/chromium-setup.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: chromiumLaunch }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
