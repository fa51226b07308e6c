/**
 * Reads device memory: one submit for any number of ranges, through staging buffers of at most `PIECE_BYTES`, so that the
 * total may exceed the device's largest buffer. Staging buffers are kept for the next read, up to a limit.
 */
import type { Data, DType } from "../../graph/spec.ts";
import type { GpuDevice } from "./device.ts";

export interface BufferLocation {
  readonly buffer: GPUBuffer;
  /** Bytes into the buffer. */
  readonly offset: number;
}

/** Device memory to read: `length` elements from `location` on. */
export interface ReadRange {
  readonly location: BufferLocation;
  readonly dtype: DType;
  readonly length: number;
}

/** Most bytes of a staging buffer and of one write. */
export const PIECE_BYTES = 64 * 2 ** 20;
/** Staging buffers kept for the next read: their number and their bytes in all. */
const MAX_KEPT = 16;
const MAX_KEPT_BYTES = PIECE_BYTES;

/** A part of a range that goes through one staging buffer, and the host memory that it is copied to. */
interface Part {
  readonly source: BufferLocation;
  readonly target: Uint8Array;
}

export class Readback {
  /** Staging buffers that are not in use, the most recently used last. */
  #idle: GPUBuffer[] = [];

  constructor(
    readonly device: GpuDevice,
    readonly pieceBytes = PIECE_BYTES,
  ) {}

  /** The `length` elements from `location` on, after all submitted work. */
  async read(location: BufferLocation, dtype: DType, length: number): Promise<Data> {
    const [data] = await this.readAll([{ location, dtype, length }]);
    return data as Data;
  }

  /**
   * As `read` for many ranges, all at the same moment, after the commands that `before` encodes into the same submit. Throws
   * DeviceError where the device has no memory for staging buffers; the device stays usable.
   */
  async readAll(
    ranges: readonly ReadRange[],
    before?: (encoder: GPUCommandEncoder) => void,
  ): Promise<Data[]> {
    this.device.check();
    const values = ranges.map(({ dtype, length }) =>
      dtype === "f32"
        ? new Float32Array(length)
        : dtype === "i32"
          ? new Int32Array(length)
          : new Uint32Array(length),
    );
    const pieces = cut(ranges, values, this.pieceBytes);
    const staging: GPUBuffer[] = [];
    try {
      const copy = () => this.#copy(pieces, staging, before);
      // Only making a buffer can run out of memory, and checking for that costs another wait.
      if (pieces.length === 1 && this.#kept(pieces[0] as readonly Part[]) >= 0) copy();
      else await this.device.guard("read", copy);
      await Promise.all(staging.map((buffer, i) => copyOut(buffer, pieces[i] as readonly Part[])));
    } catch (cause) {
      for (const buffer of staging) buffer.destroy();
      return this.device.explain(cause);
    }
    for (const buffer of staging) this.#keep(buffer);
    this.device.check();
    return values;
  }

  /** Destroys the staging buffers kept for the next read. */
  trim(): void {
    for (const buffer of this.#idle) buffer.destroy();
    this.#idle = [];
  }

  /** Submits what `before` encodes and the copy of each piece to a staging buffer, which is added to `staging`. */
  #copy(
    pieces: readonly (readonly Part[])[],
    staging: GPUBuffer[],
    before?: (encoder: GPUCommandEncoder) => void,
  ): void {
    const { raw } = this.device;
    const encoder = raw.createCommandEncoder({ label: "read" });
    before?.(encoder);
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    for (const piece of pieces) {
      const index = this.#kept(piece);
      const [kept] = index >= 0 ? this.#idle.splice(index, 1) : [];
      const size = bytesOf(piece);
      const buffer = kept ?? raw.createBuffer({ label: `read ${size}`, size, usage });
      staging.push(buffer);
      let at = 0;
      for (const { source, target } of piece) {
        encoder.copyBufferToBuffer(source.buffer, source.offset, buffer, at, target.length);
        at += target.length;
      }
    }
    raw.queue.submit([encoder.finish()]);
  }

  /** Index in `#idle` of a buffer for `piece`, -1 for none. */
  #kept(piece: readonly Part[]): number {
    const size = bytesOf(piece);
    return this.#idle.findIndex((buffer) => buffer.size === size);
  }

  #keep(buffer: GPUBuffer): void {
    this.#idle.push(buffer);
    while (this.#idle.length > MAX_KEPT || sum(this.#idle.map(({ size }) => size)) > MAX_KEPT_BYTES) {
      this.#idle.shift()?.destroy();
    }
  }
}

/** Distributes `ranges` over pieces of at most `most` bytes. */
function cut(ranges: readonly ReadRange[], values: readonly Data[], most: number): Part[][] {
  const pieces: Part[][] = [];
  let room = 0;
  ranges.forEach(({ location }, i) => {
    const { buffer, byteLength } = values[i] as Data;
    for (let at = 0; at < byteLength; ) {
      if (room === 0) {
        pieces.push([]);
        room = most;
      }
      const length = Math.min(room, byteLength - at);
      const target = new Uint8Array(buffer, at, length);
      pieces.at(-1)?.push({ source: { buffer: location.buffer, offset: location.offset + at }, target });
      at += length;
      room -= length;
    }
  });
  return pieces;
}

/** Waits for a staging buffer and copies it to the host. */
async function copyOut(buffer: GPUBuffer, piece: readonly Part[]): Promise<void> {
  await buffer.mapAsync(GPUMapMode.READ);
  const bytes = new Uint8Array(buffer.getMappedRange());
  let at = 0;
  for (const { target } of piece) {
    target.set(bytes.subarray(at, at + target.length));
    at += target.length;
  }
  buffer.unmap();
}

const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0);
const bytesOf = (piece: readonly Part[]): number => sum(piece.map(({ target }) => target.length));
