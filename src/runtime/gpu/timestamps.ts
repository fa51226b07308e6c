/** Measures passes with the adapter's clock. Needs the feature timestamp-query. */
import type { GpuDevice } from "./device.ts";
import type { Readback } from "./readback.ts";

/** Milliseconds of each of `count` passes. `encode` makes them; pass i has the timestamps `writes(i)`. */
export async function timePasses(
  device: GpuDevice,
  reader: Readback,
  count: number,
  encode: (encoder: GPUCommandEncoder, writes: (i: number) => GPUComputePassTimestampWrites) => void,
): Promise<number[]> {
  const { raw } = device;
  const querySet = raw.createQuerySet({ type: "timestamp", count: 2 * count });
  const resolved = device.createBuffer("timestamps", count * 16, GPUBufferUsage.QUERY_RESOLVE);
  const encoder = raw.createCommandEncoder();
  encode(encoder, (i) => ({
    querySet,
    beginningOfPassWriteIndex: 2 * i,
    endOfPassWriteIndex: 2 * i + 1,
  }));
  encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
  raw.queue.submit([encoder.finish()]);
  const words = await reader.read({ buffer: resolved, offset: 0 }, "u32", count * 4);
  const ticks = new BigInt64Array(words.buffer);
  querySet.destroy();
  resolved.destroy();
  return Array.from(
    { length: count },
    (_, i) => Number((ticks[2 * i + 1] as bigint) - (ticks[2 * i] as bigint)) / 1e6,
  );
}
