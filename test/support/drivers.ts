/**
 * The headless Chromium of the tests, unpacked from `@sparticuz/chromium` into Weft's cache folder together with its
 * SwiftShader and the libraries (NSS and others) that a bare system lacks. Linux on x86-64 only.
 */
import { join } from "node:path";
import {
  cacheFolder,
  chromiumPackage,
  fillOnceAsync,
  unpackFile,
  unpackTar,
} from "../../src/node/swiftshader";

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

/** Where Chromium is, or will be after `unpackChromium`. */
export function chromiumPaths(): { folder: string; executable: string; libraries: string } {
  const folder = cacheFolder(`chromium-${chromiumPackage()?.version ?? "missing"}`);
  return { folder, executable: join(folder, "chromium"), libraries: folder };
}

/** Unpacks Chromium unless it already is. */
export async function unpackChromium(): Promise<string> {
  const found = chromiumPackage();
  if (!found || process.platform !== "linux" || process.arch !== "x64") {
    throw new Error(
      "Chromium for the tests: needs Linux on x86-64 and the development dependencies (npm ci)",
    );
  }
  const { folder, executable } = chromiumPaths();
  await fillOnceAsync(folder, async (draft) => {
    unpackTar(join(found.bin, "swiftshader.tar.br"), draft);
    unpackTar(join(found.bin, "al2023.tar.br"), draft);
    await unpackFile(join(found.bin, "chromium.br"), join(draft, "chromium"));
  });
  return executable;
}
