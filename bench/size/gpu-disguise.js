// Run before a page or worker of software WebGPU: the library takes its adapter for hardware and fetches its kernels for GPUs.
{
  const real = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "info").get;
  Object.defineProperty(GPUAdapter.prototype, "info", {
    get() {
      const { subgroupMinSize, subgroupMaxSize } = real.call(this);
      const name = "a GPU";
      return {
        vendor: name,
        architecture: name,
        device: name,
        description: name,
        subgroupMinSize,
        subgroupMaxSize,
      };
    },
  });
}
