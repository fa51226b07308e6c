/** The GPU backend of a test file: one device per worker, shared by its tests. */
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import { testGpu } from "./device.ts";

const shared = globalThis as typeof globalThis & { weftTestBackend?: Promise<GpuBackend> };

export function gpuBackend(): Promise<GpuBackend> {
  shared.weftTestBackend ??= open();
  return shared.weftTestBackend;
}

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
