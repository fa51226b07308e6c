/**
 * Leaves on the device, shared by all programs of a backend. States that are packed live as slices of one buffer;
 * when a program wants them packed otherwise than they lie, their values move and programs bind anew. A leaf that nobody
 * can reach any more, or that is freed, gives its memory back.
 */
import { GraphError } from "../../common/errors.ts";
import { packLayout } from "../../graph/pack-layout.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { StartValues } from "../../plan/initial.ts";
import { LeafUsers } from "../../plan/leaf-users.ts";
import { paddedWords } from "../../plan/storage.ts";
import type { GpuDevice } from "./device.ts";
import { PIECE_BYTES, type Place, Readback } from "./readback.ts";

/** A buffer with leaves in it, destroyed together with the last of them. Must not refer to a leaf. */
interface Allocation {
  readonly buffer: GPUBuffer;
  leaves: number;
}

interface Resident extends Place {
  readonly allocation: Allocation;
  /** Label of the pack that it is a slice of. */
  readonly pack: string | undefined;
}

export class LeafMemory {
  readonly starts = new StartValues();
  readonly reader: Readback;
  #places = new WeakMap<Tensor, Resident>();
  readonly #allocations = new Set<Allocation>();
  readonly #collected = new FinalizationRegistry<Allocation>((allocation) => this.#leave(allocation));
  readonly users = new LeafUsers((leaf) => this.#remove(leaf));
  /** Grows whenever places change, so that programs know to make their bind groups anew. */
  generation = 0;

  /** `pieceBytes`: most bytes that are read into one staging buffer, or written at once. */
  constructor(
    readonly device: GpuDevice,
    readonly pieceBytes = PIECE_BYTES,
  ) {
    this.reader = new Readback(device, pieceBytes);
  }

  place(leaf: Tensor): Place {
    const place = this.#places.get(leaf);
    if (place === undefined) {
      throw new GraphError(
        `${leaf.label}: is not on this device; compile a graph that uses it first, or again if it was freed`,
      );
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
    const allocation = this.#allocate(leaf.label, paddedWords(leaf.size) * 4);
    this.#set(leaf, allocation, 0, undefined);
    this.#begin(leaf, firstValue);
    return this.place(leaf);
  }

  /** Gives the memory of `leaf` back and forgets its value. Programs that use it refuse to run from now on. */
  free(leaf: Tensor): void {
    this.starts.take(leaf);
    if (this.#remove(leaf)) this.generation++;
  }

  #remove(leaf: Tensor): boolean {
    const place = this.#places.get(leaf);
    if (place === undefined) return false;
    this.#places.delete(leaf);
    this.#collected.unregister(place);
    this.#leave(place.allocation);
    return true;
  }

  #allocate(label: string, bytes: number): Allocation {
    const allocation = { buffer: this.device.createBuffer(label, bytes), leaves: 0 };
    this.#allocations.add(allocation);
    return allocation;
  }

  #set(leaf: Tensor, allocation: Allocation, offset: number, pack: string | undefined): void {
    const place = { buffer: allocation.buffer, allocation, offset, pack };
    allocation.leaves++;
    this.#places.set(leaf, place);
    this.#collected.register(leaf, allocation, place);
  }

  /** One leaf fewer is in `allocation`. */
  #leave(allocation: Allocation): void {
    allocation.leaves--;
    if (allocation.leaves > 0 || !this.#allocations.delete(allocation)) return;
    allocation.buffer.destroy();
  }

  /** Writes the first value where the place does not hold it already: all memory of a device begins with zeros. */
  #begin(leaf: Tensor, firstValue: (leaf: Tensor) => Data): void {
    const given = this.starts.take(leaf);
    // A whole data set may be one leaf: an array of so many zeros is not even to be made.
    if (given === undefined && startsWithZeros(leaf)) return;
    this.write(leaf, given ?? firstValue(leaf));
  }

  /** Makes sure that `leaves` lie in one buffer in pack order, moving them there if they don't. */
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
    const allocation = this.#allocate(label, words * 4);
    const { buffer } = allocation;
    leaves.forEach((leaf, i) => {
      const old = this.#places.get(leaf);
      const offset = (offsets[i] as number) * 4;
      if (old === undefined) {
        this.#set(leaf, allocation, offset, label);
        this.#begin(leaf, firstValue);
      } else {
        const encoder = this.device.raw.createCommandEncoder({ label: `move ${leaf.label}` });
        encoder.copyBufferToBuffer(old.buffer, old.offset, buffer, offset, leaf.size * 4);
        this.device.raw.queue.submit([encoder.finish()]);
        this.#remove(leaf);
        this.#set(leaf, allocation, offset, label);
        this.generation++;
      }
    });
    return { buffer, offset: 0 };
  }

  write(leaf: Tensor, data: Data, at = 0): void {
    const { buffer, offset } = this.place(leaf);
    // The driver copies what is written: in pieces, so that no buffer of the whole size is made for that.
    const most = this.pieceBytes / 4;
    for (let from = 0; from < data.length; from += most) {
      const piece = data.length > most ? data.subarray(from, from + most) : data;
      const given =
        leaf.dtype === "f32" && !(piece instanceof Float32Array) ? new Float32Array(piece) : piece;
      // Dawn ends the process when it is given shared memory.
      const words = given.buffer instanceof ArrayBuffer ? given : given.slice();
      const place = offset + 4 * (at + from);
      this.device.raw.queue.writeBuffer(buffer, place, words as GPUAllowSharedBufferSource);
    }
  }

  destroy(): void {
    for (const { buffer } of this.#allocations) buffer.destroy();
    this.#allocations.clear();
    this.#places = new WeakMap();
    this.reader.trim();
  }
}

function startsWithZeros({ leaf }: Tensor): boolean {
  return leaf?.kind === "input" || (leaf?.kind === "state" && leaf.initial === 0);
}
