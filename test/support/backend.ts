/** The GPU backend of a test file: one device per worker, shared by its tests. */
import type { Backend } from "../../src/runtime/backend.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import { testGpu } from "./device.ts";
import { inPage } from "./in-page.ts";

const shared = globalThis as typeof globalThis & { weftTestBackend?: Promise<GpuBackend> };

export function gpuBackend(): Promise<GpuBackend> {
  shared.weftTestBackend ??= open();
  return shared.weftTestBackend;
}

/** For trainings that take the CPU reference seconds: in a page the GPU alone. */
export const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["GPU", gpuBackend],
  ...(inPage ? [] : [["CPU reference", async () => new CpuBackend()] as const]),
];

async function open(): Promise<GpuBackend> {
  const adapter = await (await testGpu()).requestAdapter();
  if (adapter === null) throw new Error("gpuBackend: no adapter");
  return GpuBackend.open(adapter);
}

/** A backend of its own for a test that counts calls, needs plain limits or breaks the device; to be closed there. */
export async function ownBackend(limits: "best" | "default" = "best"): Promise<GpuBackend> {
  const adapter = await (await testGpu()).requestAdapter();
  if (adapter === null) throw new Error("ownBackend: no adapter");
  return GpuBackend.open(adapter, { limits });
}
