/** A GPU backend whose shaders are altered on their way to the compiler, to see whether somebody notices. */
import { GpuBackend } from "../../src/runtime/gpu/backend.ts";
import { testGpu } from "./device.ts";

/** A backend of its own; `alter` gets each shader's file name and code and answers the code to compile. */
export async function brokenBackend(alter: (file: string, code: string) => string): Promise<GpuBackend> {
  const adapter = await (await testGpu()).requestAdapter();
  if (adapter === null) throw new Error("brokenBackend: no adapter");
  const requestDevice = adapter.requestDevice.bind(adapter);
  const request = async (descriptor?: GPUDeviceDescriptor) => {
    const device = await requestDevice(descriptor);
    const create = device.createShaderModule.bind(device);
    const value = (d: GPUShaderModuleDescriptor) => create({ ...d, code: alter(d.label ?? "", d.code) });
    Object.defineProperty(device, "createShaderModule", { value });
    return device;
  };
  Object.defineProperty(adapter, "requestDevice", { value: request });
  return GpuBackend.open(adapter);
}

/** The shader with every float that it stores a thousandth too large; one that stores only integers no longer compiles. */
export function offByAThousandth(code: string): string {
  const written = [...code.matchAll(/var<storage\s*,\s*read_write>\s*(\w+)\s*:\s*([^;]+);/g)];
  const floats = written.filter(([, , type]) => type?.includes("f32"));
  const names = (floats.length > 0 ? floats : written).map(([, name]) => name);
  const stores = new RegExp(`\\b((?:${names.join("|")})\\[[^;=]*\\](?:\\.\\w+)? [-+]?=) ([^;]+);`, "g");
  return code.replace(stores, "$1 ($2) * 1.001;");
}
