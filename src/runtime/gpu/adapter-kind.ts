/** Names adapters, and tells software ones from hardware: kernel choice, notices and the search for a device go by it. */

/** Whether an adapter computes on the CPU: what it says of itself, or a name known to be software. */
export function adapterKind(info: GPUAdapterInfo): "hardware" | "software" {
  const name = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  const known = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|\bsoftware\b/i.test(name);
  return info.isFallbackAdapter || known ? "software" : "hardware";
}

/** What an adapter is called, as well as it says so. */
export function adapterName({ description, device, architecture, vendor }: GPUAdapterInfo): string {
  return [description, device, architecture, vendor].find((word) => word !== "") ?? "unnamed adapter";
}
