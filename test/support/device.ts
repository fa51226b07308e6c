/**
 * The GPU of a test, the same call in Node (Dawn) and in a page. One per worker, opened at the first call.
 * A missing adapter fails the test that asked; nothing is ever skipped for want of one.
 */
import { inPage } from "./in-page.ts";

const shared = globalThis as typeof globalThis & { weftTestGpu?: Promise<GPU> };

/** `GPU` to request adapters from: `const adapter = await (await testGpu()).requestAdapter()`. */
export function testGpu(): Promise<GPU> {
  shared.weftTestGpu ??= inPage ? pageGpu() : nodeGpu();
  return shared.weftTestGpu;
}

async function pageGpu(): Promise<GPU> {
  const gpu = navigator.gpu as GPU | undefined;
  if (!gpu)
    throw new Error("testGpu: this page has no navigator.gpu (a secure context and WebGPU flags are needed)");
  if (!(await gpu.requestAdapter())) throw new Error("testGpu: navigator.gpu has no adapter");
  return gpu;
}

/** SwiftShader, so that every machine tests the same; VK_ICD_FILENAMES or WEFT_TEST_ADAPTER=hardware says otherwise. */
async function nodeGpu(): Promise<GPU> {
  const { openDawn } = await import("../../src/node/device/dawn.ts");
  const named = process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES;
  const hardware = process.env.WEFT_TEST_ADAPTER === "hardware";
  const { gpu, driver } = await openDawn(hardware ? { software: false } : named ? {} : { software: true });
  console.info(`GPU of these tests: ${driver}`);
  return gpu;
}
