/**
 * Leaves on the device, shared by all programs of a backend. States that are packed live as slices of one buffer;
 * when a pack arrives after its states, their values move and programs bind anew.
 */
import { GraphError } from "../errors.ts";
import { packLayout, paddedWords } from "../plan/storage.ts";
import type { Data, DType, Tensor } from "../tensor.ts";
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

interface Resident extends Place {
  /** Label of the pack that it is a slice of. */
  readonly pack: string | undefined;
}

export class LeafMemory {
  readonly #places = new Map<Tensor, Resident>();
  readonly #staging = new Map<number, GPUBuffer[]>();
  /** Grows whenever places change, so that programs know to make their bind groups anew. */
  generation = 0;

  constructor(readonly device: GpuDevice) {}

  place(leaf: Tensor): Place {
    const place = this.#places.get(leaf);
    if (place === undefined) {
      throw new GraphError(`${leaf.label}: is not on this device; compile a graph that uses it first`);
    }
    return place;
  }

  has(leaf: Tensor): boolean {
    return this.#places.has(leaf);
  }

  /** Makes sure that `leaf` has a place, with its first value if it is new. */
  ensure(leaf: Tensor, firstValue: (leaf: Tensor) => Data): Place {
    const known = this.#places.get(leaf);
    if (known !== undefined) return known;
    const buffer = this.device.createBuffer(leaf.label, paddedWords(leaf.size) * 4);
    const place = { buffer, offset: 0, pack: undefined };
    this.#places.set(leaf, place);
    const data = firstValue(leaf);
    if (data.some((v) => v !== 0)) this.write(leaf, data);
    return place;
  }

  /** Makes sure that `leaves` lie in one buffer in pack order, moving them there if they don't yet. */
  ensurePack(label: string, leaves: readonly Tensor[], firstValue: (leaf: Tensor) => Data): Place {
    const { offsets, words } = packLayout(leaves.map((t) => t.size));
    const known = leaves.map((t) => this.#places.get(t));
    const first = known[0];
    const inPlace = known.every(
      (p, i) => p?.pack !== undefined && p.buffer === first?.buffer && p.offset === offsets[i]! * 4,
    );
    if (first !== undefined && inPlace && first.buffer.size === Math.max(16, words * 4)) {
      return { buffer: first.buffer, offset: 0 };
    }
    const other = leaves.find((_, i) => known[i]?.pack !== undefined);
    if (other !== undefined)
      throw new GraphError(`${label}: ${other.label} is already part of another pack on this device`);
    const buffer = this.device.createBuffer(label, words * 4);
    leaves.forEach((leaf, i) => {
      const old = this.#places.get(leaf);
      const offset = (offsets[i] as number) * 4;
      this.#places.set(leaf, { buffer, offset, pack: label });
      if (old === undefined) {
        const data = firstValue(leaf);
        if (data.some((v) => v !== 0)) this.write(leaf, data);
      } else {
        const encoder = this.device.raw.createCommandEncoder({ label: `move ${leaf.label}` });
        encoder.copyBufferToBuffer(old.buffer, old.offset, buffer, offset, leaf.size * 4);
        this.device.raw.queue.submit([encoder.finish()]);
        old.buffer.destroy();
        this.generation++;
      }
    });
    return { buffer, offset: 0 };
  }

  write(leaf: Tensor, data: Data, at = 0): void {
    const { buffer, offset } = this.place(leaf);
    const words = leaf.dtype === "f32" && !(data instanceof Float32Array) ? Float32Array.from(data) : data;
    this.device.raw.queue.writeBuffer(buffer, offset + 4 * at, words as GPUAllowSharedBufferSource);
  }

  /** The elements of one place once all submitted work is done. */
  async read(place: Place, dtype: DType, length: number): Promise<Data> {
    const [data] = await this.readAll([{ place, dtype, length }]);
    return data as Data;
  }

  /** As `read`, for many places with one submit and one map. Staging buffers are kept and reused. */
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

  destroy(): void {
    for (const { buffer } of this.#places.values()) buffer.destroy();
    this.#places.clear();
    this.trim();
  }
}
