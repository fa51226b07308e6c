// Counts the WebGPU calls that a piece of code makes, by wrapping the prototypes (Dawn's in Node, the page's own) for as
// long as it runs. Works for any library in the same process. Not for timing: stop() puts the original methods back.

/** Name of a count -> the methods that raise it. */
const COUNTED = {
  dispatches: { GPUComputePassEncoder: ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"] },
  submits: { GPUQueue: ["submit"] },
  passes: { GPUCommandEncoder: ["beginComputePass", "beginRenderPass"] },
  bindGroups: { GPUDevice: ["createBindGroup"] },
  buffers: { GPUDevice: ["createBuffer"] },
  pipelines: { GPUDevice: ["createComputePipeline", "createComputePipelineAsync"] },
  queueWrites: { GPUQueue: ["writeBuffer", "writeTexture"] },
  maps: { GPUBuffer: ["mapAsync"] },
  encoders: { GPUDevice: ["createCommandEncoder"] },
  copies: { GPUCommandEncoder: ["copyBufferToBuffer", "clearBuffer"] },
  shaderModules: { GPUDevice: ["createShaderModule"] },
  queueWaits: { GPUQueue: ["onSubmittedWorkDone"] },
  buffersDestroyed: { GPUBuffer: ["destroy"] },
};

export const COUNT_NAMES = Object.keys(COUNTED);

/**
 * Starts counting on the WebGPU interfaces found in `owner`. `read()` gives a copy of the counts so far, `stop()` ends the counting and gives the counts.
 * @returns {{ read: () => Record<string, number>, stop: () => Record<string, number> }}
 */
export function countCalls(owner) {
  const counts = Object.fromEntries(COUNT_NAMES.map((name) => [name, 0]));
  const restore = [];
  for (const [name, interfaces] of Object.entries(COUNTED)) {
    for (const [interfaceName, methods] of Object.entries(interfaces)) {
      const prototype = owner[interfaceName].prototype;
      for (const method of methods) {
        const original = prototype[method];
        if (typeof original !== "function") continue;
        prototype[method] = function (...args) {
          counts[name]++;
          return original.apply(this, args);
        };
        restore.push(() => {
          prototype[method] = original;
        });
      }
    }
  }
  return {
    read: () => ({ ...counts }),
    stop() {
      for (const undo of restore.splice(0).reverse()) undo();
      return { ...counts };
    },
  };
}
