// Run before a page or worker on a software adapter: hides that fact, so that the library fetches its kernels for GPUs.
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
