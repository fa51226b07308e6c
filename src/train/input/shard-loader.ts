/**
 * Data sets that do not fit on the device, or whose samples must be read. The device has room for two shards: while one is
 * trained on, the next is read and written chunk by chunk between submits. Which samples are there follows from the step
 * counter and the key alone, so a run that is resumed, or whose device was lost, sees the same batches.
 */

import {
  arrayOf,
  type ColumnDtype,
  type ColumnSamples,
  type ColumnValues,
  dtypeOf,
  readColumns,
  type ShardedColumns,
} from "../../data/columns.ts";
import { sampleSize } from "../../data/dataset.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";
import { DatasetTensors, sampleBytes, wordsOf } from "./dataset-tensors.ts";
import { batchesOf, type DataLoader, type DeviceDataset, type ReadKey } from "./device-dataset.ts";
import { type Key, type ShardLayout, samplesOf, shardLayout, visitOf } from "./shard-schedule.ts";

/** Most bytes on the device of a data set that is loaded in shards. */
export const STREAMED_BYTES = 128 * 2 ** 20;
/** Bytes that are read and written between two submits: few enough that a page does not stall. */
const CHUNK_BYTES = 2 ** 21;
/** Samples of an endless data set, for the step's arithmetic in u32: it then goes on with its first shard. */
const ENDLESS = 2 ** 31;

export class StreamedDataset implements DeviceDataset {
  readonly layout: ShardLayout;
  readonly columns: DeviceDataset["columns"];
  readonly batch: DeviceDataset["batch"];
  /** Samples that are read at a time; a multiple of 4, so that chunks of bytes are whole words. */
  readonly chunk: number;
  readonly tensors: DatasetTensors;

  /**
   * `maxBytes`: on the device in all; `maxTensorBytes`: of each tensor; `chunkBytes`: read at a time. What is read is checked.
   * Throws DeviceError where that is too little.
   */
  constructor(
    readonly dataset: ShardedColumns,
    readonly batchSize: number,
    maxBytes: number,
    maxTensorBytes: number,
    chunkBytes = CHUNK_BYTES,
  ) {
    const { name, split, capacity } = dataset;
    const count = Math.min(dataset.count, ENDLESS);
    const bytes = sampleBytes(dataset);
    const limits = [maxBytes, maxTensorBytes, capacity] as const;
    this.layout = shardLayout(`${name}/${split}`, count, batchSize, bytes, ...limits);
    const { size, slots } = this.layout;
    this.chunk = 4 * Math.max(1, Math.floor(chunkBytes / Math.max(...bytes) / 4));
    this.tensors = new DatasetTensors({ ...dataset, columns: dataset.columns, count }, size * slots);
    const { columns, batch } = batchesOf(this.tensors, batchSize, { size, slots });
    this.columns = columns;
    this.batch = batch;
  }

  get stepsPerEpoch(): number {
    return this.layout.stepsPerEpoch;
  }

  /** Without `readKey`, and where data come in order, shards are visited in the order of the data. */
  loader(backend: Backend, readKey: ReadKey | undefined): ShardLoader {
    return new ShardLoader(this, backend, this.dataset.sequential ? undefined : readKey);
  }
}

/** Samples that are being read; `samples` is set once they have been. */
interface Chunk {
  readonly count: number;
  readonly reading: Promise<ColumnSamples>;
  samples?: ColumnSamples;
}

/** A shard that is being loaded into its slot. */
interface Loading {
  readonly visit: number;
  /** Samples written so far. */
  written: number;
  next: Chunk;
}

export class ShardLoader implements DataLoader {
  /** The visit whose shard each slot holds. */
  readonly #loaded: (number | undefined)[];
  #loading: Loading | undefined;
  #key: Key | undefined;
  /** The chunk written last, whose memory the next may reuse. */
  #reusable: ColumnSamples | undefined;
  #closings = 0;

  constructor(
    readonly data: StreamedDataset,
    readonly backend: Backend,
    readonly readKey: ReadKey | undefined,
  ) {
    this.#loaded = new Array<number | undefined>(data.layout.slots).fill(undefined);
  }

  begin(): (step: number) => Promise<number> {
    let keyKnown: Promise<void> | undefined;
    return async (step) => {
      keyKnown ??= this.#refreshKey();
      await keyKnown;
      return this.#prepare(step);
    };
  }

  /** Since the last run of steps a checkpoint with another key may have been loaded, or a stream been closed. */
  async #refreshKey(): Promise<void> {
    const key = await this.readKey?.();
    const { closings = 0 } = this.data.dataset;
    if (key?.join() === this.#key?.join() && closings === this.#closings) return;
    this.#closings = closings;
    this.#key = key;
    this.#loaded.fill(undefined);
    this.#loading = undefined;
  }

  async #prepare(step: number): Promise<number> {
    const { slots, shards } = this.data.layout;
    const { visit, stepsLeft } = visitOf(step, this.data.layout);
    if (slots === 1) {
      // The only shard serves every visit.
      if (this.#loaded[0] === undefined) await this.#load(0);
      return stepsLeft;
    }
    if (this.#loaded[visit % 2] !== visit) await this.#load(visit);
    const next = visit + 1;
    // An evaluation takes data in their order, and does not start over at once.
    if (this.readKey === undefined && next % shards === 0) return stepsLeft;
    // The next shard overwrites the previous one, all of whose steps have been submitted.
    if (this.#loaded[next % 2] !== next) {
      const loading = this.#start(next);
      if (loading.next.samples !== undefined) this.#write(loading, loading.next.samples);
    }
    return stepsLeft;
  }

  async #load(visit: number): Promise<void> {
    const loading = this.#start(visit);
    try {
      while (this.#loading === loading) {
        this.#write(loading, await loading.next.reading);
        // Written data is held twice in host memory until the device has it.
        await this.backend.finished?.();
      }
    } catch (error) {
      this.#loading = undefined;
      throw error;
    }
  }

  /** Starts to load a visit's shard, unless that is under way. */
  #start(visit: number): Loading {
    if (this.#loading?.visit === visit) return this.#loading;
    this.#loading = { visit, written: 0, next: this.#nextChunk(visit, 0) };
    return this.#loading;
  }

  #nextChunk(visit: number, written: number): Chunk {
    const { layout, chunk: most } = this.data;
    const count = Math.min(most, samplesOf(visit, layout, this.#key)[1] - written);
    const chunk: Chunk = { count, reading: this.#read(visit, written, count) };
    // A failure is thrown where the shard is needed; until then it must not count as unhandled.
    chunk.reading.then(
      (samples) => {
        chunk.samples = samples;
      },
      () => undefined,
    );
    return chunk;
  }

  /** Reads `wanted` samples of a visit's shard, after the first `written`. */
  async #read(visit: number, written: number, wanted: number): Promise<ColumnSamples> {
    const { dataset, layout } = this.data;
    const [start] = samplesOf(visit, layout, this.#key);
    const from = (start + written) % layout.count;
    const untilEnd = Math.min(wanted, layout.count - from);
    const reusable = this.#reusable;
    this.#reusable = undefined;
    const first = await readColumns(dataset, from, untilEnd, reusable);
    if (untilEnd === wanted) return first;
    return concatenated(first, await readColumns(dataset, 0, wanted - untilEnd));
  }

  /** Writes the chunk that has been read, and starts to read the next one. */
  #write(loading: Loading, samples: ColumnSamples): void {
    const { dataset, layout, tensors } = this.data;
    const { visit, written } = loading;
    const slot = visit % layout.slots;
    this.#loaded[slot] = undefined;
    const offset = slot * layout.size + written;
    for (const [key, { dtype, shape }] of Object.entries(dataset.columns)) {
      const tensor = tensors.columns[key] as Tensor;
      // No program uses this column.
      if (!this.backend.holds(tensor)) continue;
      const words = sampleSize(shape) / (dtype === "u8" ? 4 : 1);
      this.backend.write(tensor, wordsOf(samples[key] as ColumnValues), offset * words);
    }
    loading.written += loading.next.count;
    const complete = loading.written === samplesOf(visit, layout, this.#key)[1];
    // Nothing is read after the only shard.
    if (!(complete && layout.slots === 1)) this.#reusable = samples;
    if (complete) {
      this.#loaded[slot] = visit;
      this.#loading = undefined;
    } else loading.next = this.#nextChunk(visit, loading.written);
  }
}

function concatenated(first: ColumnSamples, second: ColumnSamples): ColumnSamples {
  const joined = Object.entries(first).map(([key, a]) => {
    const b = second[key] as ColumnValues;
    const all = arrayOf(dtypeOf(a) as ColumnDtype, a.length + b.length);
    all.set(a);
    all.set(b, a.length);
    return [key, all];
  });
  return Object.fromEntries(joined);
}
