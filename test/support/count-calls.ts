/**
 * Counts WebGPU calls by wrapping the prototypes of a live device's objects, in Node and in a page alike. What the
 * library says of itself plays no part.
 */

export type Calls = Record<
  | "dispatches"
  | "passes"
  | "submits"
  | "bindGroups"
  | "buffers"
  | "pipelines"
  | "writes"
  | "maps"
  | "shaderModules",
  number
>;

type Counted = readonly [owner: object, method: string, name: keyof Calls];

/** Counts from now until `stop`, which puts the prototypes back. */
export function countCalls(device: GPUDevice): { readonly calls: Calls; stop(): void } {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.end();
  encoder.finish();
  const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST });
  buffer.destroy();
  const counted: readonly Counted[] = [
    [pass, "dispatchWorkgroups", "dispatches"],
    [pass, "dispatchWorkgroupsIndirect", "dispatches"],
    [encoder, "beginComputePass", "passes"],
    [device.queue, "submit", "submits"],
    [device.queue, "writeBuffer", "writes"],
    [device, "createBindGroup", "bindGroups"],
    [device, "createBuffer", "buffers"],
    [device, "createComputePipeline", "pipelines"],
    [device, "createComputePipelineAsync", "pipelines"],
    [device, "createShaderModule", "shaderModules"],
    [buffer, "mapAsync", "maps"],
  ];
  const calls: Calls = {
    dispatches: 0,
    passes: 0,
    submits: 0,
    bindGroups: 0,
    buffers: 0,
    pipelines: 0,
    writes: 0,
    maps: 0,
    shaderModules: 0,
  };
  const undo = counted.map(([object, method, name]) => {
    const owner = ownerOf(object, method);
    const original = Object.getOwnPropertyDescriptor(owner, method) as PropertyDescriptor;
    const wrapped = original.value as (...args: unknown[]) => unknown;
    Object.defineProperty(owner, method, {
      ...original,
      value(this: unknown, ...args: unknown[]) {
        calls[name]++;
        return wrapped.apply(this, args);
      },
    });
    return () => Object.defineProperty(owner, method, original);
  });
  return {
    calls,
    stop: () => {
      for (const put of undo) put();
    },
  };
}

/** The prototype (or the object itself) that holds `method`. */
function ownerOf(object: object, method: string): object {
  let owner: object | null = object;
  while (owner !== null && !Object.hasOwn(owner, method))
    owner = Object.getPrototypeOf(owner) as object | null;
  if (owner === null) throw new Error(`countCalls: no method ${method}`);
  return owner;
}
