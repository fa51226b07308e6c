/** Tells software adapters from hardware: kernel choice, notices and the search for a device go by it. */

/** Whether an adapter computes on the CPU: what it says of itself, or a name known to be software. */
export function adapterKind(info: GPUAdapterInfo): "hardware" | "software" {
  const name = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  const known = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|\bsoftware\b/i.test(name);
  return info.isFallbackAdapter || known ? "software" : "hardware";
}
