// Starts the headless Chromium of the tests, with its software driver, for measurements in a page.
import { fileURLToPath } from "node:url";
import { chromium } from "playwright";
import { createServer } from "vite";

/** Starts it; `close()` ends it. */
export async function startChromium() {
  const vite = await createServer({
    root: fileURLToPath(new URL("..", import.meta.url)),
    configFile: false,
    appType: "custom",
    logLevel: "error",
    server: { middlewareMode: true, hmr: false, watch: null, ws: false },
    optimizeDeps: { noDiscovery: true },
  });
  try {
    // The tests' own settings are TypeScript.
    const { chromiumLaunch, unpackChromium } = await vite.ssrLoadModule("/test/support/drivers.ts");
    unpackChromium();
    return await chromium.launch(chromiumLaunch);
  } finally {
    await vite.close();
  }
}
