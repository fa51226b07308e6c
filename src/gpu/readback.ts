/** From the device to the host: one submit and one map for any number of places. Staging buffers are kept and reused. */
import type { Data, DType } from "../tensor.ts";
import type { GpuDevice } from "./device.ts";

export interface Place {
  readonly buffer: GPUBuffer;
  /** Bytes into the buffer. */
  readonly offset: number;
}

/** Part of the device's memory to read: `length` elements from a place on. */
export interface Wanted {
  readonly place: Place;
  readonly dtype: DType;
  readonly length: number;
}

export class Readback {
  readonly #staging = new Map<number, GPUBuffer[]>();

  constructor(readonly device: GpuDevice) {}

  /** The elements of one place once all submitted work is done. */
  async read(place: Place, dtype: DType, length: number): Promise<Data> {
    const [data] = await this.readAll([{ place, dtype, length }]);
    return data as Data;
  }

  /** As `read`, for many places. */
  async readAll(wanted: readonly Wanted[]): Promise<Data[]> {
    this.device.check();
    const bytes = wanted.reduce((sum, { length }) => sum + length * 4, 0);
    const idle = this.#staging.get(bytes) ?? [];
    this.#staging.set(bytes, idle);
    const { raw } = this.device;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = idle.pop() ?? raw.createBuffer({ label: `read ${bytes}`, size: bytes, usage });
    const encoder = raw.createCommandEncoder({ label: "read" });
    let at = 0;
    for (const { place, length } of wanted) {
      encoder.copyBufferToBuffer(place.buffer, place.offset, staging, at, length * 4);
      at += length * 4;
    }
    raw.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(GPUMapMode.READ);
    } catch (cause) {
      return this.device.explain(cause);
    }
    const copy = staging.getMappedRange().slice(0);
    staging.unmap();
    idle.push(staging);
    this.device.check();
    at = 0;
    return wanted.map(({ dtype, length }) => {
      const from = at;
      at += length * 4;
      if (dtype === "f32") return new Float32Array(copy, from, length);
      return dtype === "i32" ? new Int32Array(copy, from, length) : new Uint32Array(copy, from, length);
    });
  }

  /** Gives back what reading keeps for the next time. */
  trim(): void {
    for (const list of this.#staging.values()) for (const buffer of list) buffer.destroy();
    this.#staging.clear();
  }
}
