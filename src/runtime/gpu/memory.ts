/**
 * The memory of leaves on one device, shared by all its programs. States that a program wants flattened are slices of one
 * buffer: where they lie otherwise their values are moved, and other programs then make their bind groups anew. A leaf that
 * is freed, or that nothing refers to any more, gives its memory back.
 */

import { packLayout } from "../../graph/pack-layout.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { paddedWords } from "../../plan/storage.ts";
import { GraphError } from "../../validation/errors.ts";
import { StartValues } from "../initial-values.ts";
import { LeafUsers } from "../leaf-users.ts";
import type { GpuDevice } from "./device.ts";
import { type BufferLocation, PIECE_BYTES, Readback } from "./readback.ts";

export class LeafMemory {
  readonly starts = new StartValues();
  readonly reader: Readback;
  #locations = new WeakMap<Tensor, BufferLocation>();
  /** How many leaves each buffer holds; it is destroyed together with the last of them. */
  readonly #leafCounts = new Map<GPUBuffer, number>();
  readonly #collected = new FinalizationRegistry<GPUBuffer>((buffer) => this.#release(buffer));
  readonly users = new LeafUsers((leaf) => this.#remove(leaf));
  /** Incremented when leaves move or are freed; programs compare it to know whether their bind groups are valid. */
  generation = 0;

  /** `pieceBytes`: most bytes that are read into one staging buffer, or written at once. */
  constructor(
    readonly device: GpuDevice,
    readonly pieceBytes = PIECE_BYTES,
  ) {
    this.reader = new Readback(device, pieceBytes);
  }

  /** Where `leaf` is. Throws GraphError where it is not on this device. */
  locate(leaf: Tensor): BufferLocation {
    const location = this.#locations.get(leaf);
    if (location === undefined) {
      throw new GraphError(
        `${leaf.label}: is not on this device; compile a graph that uses it first, or again if it was freed`,
      );
    }
    return location;
  }

  has(leaf: Tensor): boolean {
    return this.#locations.has(leaf);
  }

  /** Allocates memory for `leaf` and writes its first value, unless it is on the device already. */
  ensure(leaf: Tensor, firstValue: (leaf: Tensor) => Data): void {
    if (this.has(leaf)) return;
    this.#add(leaf, this.device.createBuffer(leaf.label, paddedWords(leaf.size) * 4), 0);
    this.#initialize(leaf, firstValue);
  }

  /** Makes sure that `leaves` are slices of one buffer in the layout of `packLayout`; moves them where they are not. */
  ensureFlattened(label: string, leaves: readonly Tensor[], firstValue: (leaf: Tensor) => Data): void {
    const layout = packLayout(leaves.map((t) => t.size));
    const offsets = layout.offsets.map((words) => words * 4);
    const bytes = Math.max(16, layout.words * 4);
    const shared = leaves[0] && this.#locations.get(leaves[0])?.buffer;
    const inPlace = leaves.every((leaf, i) => {
      const location = this.#locations.get(leaf);
      return location !== undefined && location.buffer === shared && location.offset === offsets[i];
    });
    if (inPlace && shared?.size === bytes) return;
    const buffer = this.device.createBuffer(label, bytes);
    leaves.forEach((leaf, i) => {
      const offset = offsets[i] as number;
      const old = this.#locations.get(leaf);
      if (old === undefined) {
        this.#add(leaf, buffer, offset);
        this.#initialize(leaf, firstValue);
        return;
      }
      const encoder = this.device.raw.createCommandEncoder({ label: `move ${leaf.label}` });
      encoder.copyBufferToBuffer(old.buffer, old.offset, buffer, offset, leaf.size * 4);
      this.device.raw.queue.submit([encoder.finish()]);
      this.#remove(leaf);
      this.#add(leaf, buffer, offset);
      this.generation++;
    });
  }

  /** Gives the memory of `leaf` back and forgets its value. Programs that use it refuse to run from now on. */
  free(leaf: Tensor): void {
    this.starts.take(leaf);
    if (this.#remove(leaf)) this.generation++;
  }

  write(leaf: Tensor, data: Data, at = 0): void {
    const { buffer, offset } = this.locate(leaf);
    // The driver copies what is written; pieces keep it from allocating a copy of a whole data set.
    const most = this.pieceBytes / 4;
    for (let from = 0; from < data.length; from += most) {
      const piece = data.length > most ? data.subarray(from, from + most) : data;
      const converted =
        leaf.dtype === "f32" && !(piece instanceof Float32Array) ? new Float32Array(piece) : piece;
      // Dawn ends the process when it is given shared memory.
      const words = converted.buffer instanceof ArrayBuffer ? converted : converted.slice();
      const byte = offset + 4 * (at + from);
      this.device.raw.queue.writeBuffer(buffer, byte, words as GPUAllowSharedBufferSource);
    }
  }

  destroy(): void {
    for (const buffer of this.#leafCounts.keys()) buffer.destroy();
    this.#leafCounts.clear();
    this.#locations = new WeakMap();
    this.reader.trim();
  }

  #add(leaf: Tensor, buffer: GPUBuffer, offset: number): void {
    const location = { buffer, offset };
    this.#leafCounts.set(buffer, (this.#leafCounts.get(buffer) ?? 0) + 1);
    this.#locations.set(leaf, location);
    this.#collected.register(leaf, buffer, location);
  }

  #remove(leaf: Tensor): boolean {
    const location = this.#locations.get(leaf);
    if (location === undefined) return false;
    this.#locations.delete(leaf);
    this.#collected.unregister(location);
    this.#release(location.buffer);
    return true;
  }

  /** Counts one leaf less in `buffer`. */
  #release(buffer: GPUBuffer): void {
    const count = this.#leafCounts.get(buffer);
    if (count === undefined) return;
    this.#leafCounts.set(buffer, count - 1);
    if (count > 1) return;
    this.#leafCounts.delete(buffer);
    buffer.destroy();
  }

  /** Writes the first value of a leaf, unless it is zeros, which all new memory of a device holds. */
  #initialize(leaf: Tensor, firstValue: (leaf: Tensor) => Data): void {
    const given = this.starts.take(leaf);
    const { leaf: kind } = leaf;
    // A whole data set can be one input, so not even the array of zeros is made.
    const zeros = kind?.kind === "input" || (kind?.kind === "state" && kind.initial === 0);
    if (given !== undefined || !zeros) this.write(leaf, given ?? firstValue(leaf));
  }
}
