/**
 * From the device to the host: one submit for any number of places, through staging buffers of at most `PIECE_BYTES`, so
 * that what is read may be larger in all than the device's largest buffer. Some staging buffers are kept and reused.
 */
import type { Data, DType } from "../../graph/spec.ts";
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

/** Most bytes of a staging buffer, and of one write. */
export const PIECE_BYTES = 64 * 2 ** 20;
/** Staging buffers kept for the next read: most in number, and most bytes in all. */
const KEPT = 16;
const KEPT_BYTES = PIECE_BYTES;

/** Bytes of a place that lie in a staging buffer, and where they go. */
interface Part {
  readonly place: Place;
  readonly target: Uint8Array;
}

export class Readback {
  /** Unused staging buffers, the one that was used last at the end. */
  #idle: GPUBuffer[] = [];

  constructor(
    readonly device: GpuDevice,
    readonly pieceBytes = PIECE_BYTES,
  ) {}

  /** The elements of one place once all submitted work is done. */
  async read(place: Place, dtype: DType, length: number): Promise<Data> {
    const [data] = await this.readAll([{ place, dtype, length }]);
    return data as Data;
  }

  /**
   * As `read`, for many places, all as they are at the same moment. Throws DeviceError where the device has no memory for
   * the staging buffers; the device stays usable.
   */
  async readAll(wanted: readonly Wanted[]): Promise<Data[]> {
    this.device.check();
    const values = wanted.map(({ dtype, length }) =>
      dtype === "f32"
        ? new Float32Array(length)
        : dtype === "i32"
          ? new Int32Array(length)
          : new Uint32Array(length),
    );
    const pieces = cut(wanted, values, this.pieceBytes);
    const staging: GPUBuffer[] = [];
    try {
      const copy = () => this.#copy(pieces, staging);
      // Only what creates a buffer can run out of memory. Checking for it costs another wait.
      if (pieces.every((piece) => this.#kept(piece) >= 0) && pieces.length === 1) copy();
      else await this.device.guard("read", copy);
      await Promise.all(staging.map((buffer, i) => take(buffer, pieces[i] as readonly Part[])));
    } catch (cause) {
      for (const buffer of staging) buffer.destroy();
      return this.device.explain(cause);
    }
    for (const buffer of staging) this.#keep(buffer);
    this.device.check();
    return values;
  }

  /** Gives back what reading keeps for the next time. */
  trim(): void {
    for (const buffer of this.#idle) buffer.destroy();
    this.#idle = [];
  }

  /** Submits the copies of all pieces, each to a staging buffer that it adds to `staging`. */
  #copy(pieces: readonly (readonly Part[])[], staging: GPUBuffer[]): void {
    const { raw } = this.device;
    const encoder = raw.createCommandEncoder({ label: "read" });
    for (const piece of pieces) {
      const kept = this.#kept(piece);
      const size = bytesOf(piece);
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      const buffer =
        kept >= 0
          ? (this.#idle.splice(kept, 1)[0] as GPUBuffer)
          : raw.createBuffer({ label: `read ${size}`, size, usage });
      staging.push(buffer);
      let at = 0;
      for (const { place, target } of piece) {
        encoder.copyBufferToBuffer(place.buffer, place.offset, buffer, at, target.length);
        at += target.length;
      }
    }
    raw.queue.submit([encoder.finish()]);
  }

  #kept(piece: readonly Part[]): number {
    const size = bytesOf(piece);
    return this.#idle.findIndex((buffer) => buffer.size === size);
  }

  #keep(buffer: GPUBuffer): void {
    this.#idle.push(buffer);
    while (this.#idle.length > KEPT || sum(this.#idle.map(({ size }) => size)) > KEPT_BYTES) {
      this.#idle.shift()?.destroy();
    }
  }
}

/** Cuts what is wanted into pieces of at most `most` bytes. */
function cut(wanted: readonly Wanted[], values: readonly Data[], most: number): Part[][] {
  const pieces: Part[][] = [];
  let room = 0;
  wanted.forEach(({ place }, i) => {
    const { buffer, byteLength } = values[i] as Data;
    for (let at = 0; at < byteLength; ) {
      if (room === 0) {
        pieces.push([]);
        room = most;
      }
      const length = Math.min(room, byteLength - at);
      const target = new Uint8Array(buffer, at, length);
      pieces.at(-1)?.push({ place: { buffer: place.buffer, offset: place.offset + at }, target });
      at += length;
      room -= length;
    }
  });
  return pieces;
}

/** Waits for a staging buffer and copies it out. */
async function take(buffer: GPUBuffer, piece: readonly Part[]): Promise<void> {
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
