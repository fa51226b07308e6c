/**
 * The headless Chromium of the tests, unpacked from `@sparticuz/chromium` into the user's cache folder together with its
 * SwiftShader and the libraries (NSS and others) that a bare system lacks. For Linux on x86-64.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { chromiumArchives, fillOnce, unpackDirectory, unpackTar } from "../../src/node/device/swiftshader.ts";
import { HANG_LIMIT_MS } from "./hang-limit.ts";

/** Flags that make WebGPU run on SwiftShader without a display, and keep the browser from calling home. */
export const chromiumFlags = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-sync",
  "--no-first-run",
  "--no-pings",
];

const archives = chromiumArchives();
const name = `chromium-${archives?.version}`;
const folder = join(unpackDirectory(), name);

/** What Playwright needs to start it, once `unpackChromium` has run. */
export const chromiumLaunch = {
  executablePath: join(folder, "chromium"),
  args: chromiumFlags,
  timeout: HANG_LIMIT_MS,
  env: { ...process.env, LD_LIBRARY_PATH: folder } as Record<string, string>,
};

/** Unpacks Chromium unless it is there already. */
export function unpackChromium(): void {
  if (!archives) {
    throw new Error(
      "Chromium for the tests needs Linux on x86-64 and the package @sparticuz/chromium (npm ci)",
    );
  }
  fillOnce(name, (draft) => {
    unpackTar(join(archives.folder, "swiftshader.tar.br"), draft);
    unpackTar(join(archives.folder, "al2023.tar.br"), draft);
    const chromium = brotliDecompressSync(readFileSync(join(archives.folder, "chromium.br")));
    writeFileSync(join(draft, "chromium"), chromium, { mode: 0o755 });
  });
}
