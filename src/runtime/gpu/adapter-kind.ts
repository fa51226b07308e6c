/** The name of an adapter, and whether it is hardware or software, on which kernel choice and notices depend. */

/** `software` for adapters that compute on the CPU: fallback adapters, and those whose name is known to be one. */
export function adapterKind(info: GPUAdapterInfo): "hardware" | "software" {
  const name = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  const known = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|\bsoftware\b/i.test(name);
  return info.isFallbackAdapter || known ? "software" : "hardware";
}

/** The most specific name that an adapter reports. */
export function adapterName({ description, device, architecture, vendor }: GPUAdapterInfo): string {
  return [description, device, architecture, vendor].find((word) => word !== "") ?? "unnamed adapter";
}
