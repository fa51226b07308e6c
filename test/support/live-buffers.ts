/** The buffers of a device that were created from now on and not destroyed. */
export function liveBuffers(device: GPUDevice) {
  const live = new Set<GPUBuffer>();
  const create = device.createBuffer;
  const bound = create.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = bound(descriptor);
    live.add(buffer);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      live.delete(buffer);
      return destroy();
    };
    return buffer;
  };
  return {
    live,
    labels: () => [...live].map(({ label }) => label),
    stop: () => {
      device.createBuffer = create;
    },
  };
}
