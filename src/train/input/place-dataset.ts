/** Puts a data set on a device: whole if it fits, else two shards of it at a time. */

import { hasColumns, shardsOfColumns } from "../../data/columns.ts";
import type { InMemory } from "../../data/dataset.ts";
import { columnsOfShards } from "../../data/inputs-and-labels.ts";
import { isSharded, shardsOf, type TrainingData } from "../../data/sharded.ts";
import { sampleBytes } from "./dataset-tensors.ts";
import { type DeviceDataset, ResidentDataset } from "./device-dataset.ts";

export interface Room {
  /** Bytes of one tensor on the device. */
  readonly maxTensorBytes: number;
  /** Bytes that a data set may take; default: no limit. */
  readonly maxResidentBytes?: number | undefined;
}

export class PlacedDatasets {
  readonly #resident = new WeakMap<InMemory, ResidentDataset>();

  /** Throws DataError on a faulty data set. `ignored`: a label that need not be a class. */
  async place(
    dataset: TrainingData,
    batchSize: number,
    { maxTensorBytes, maxResidentBytes = Number.POSITIVE_INFINITY }: Room,
    ignored?: number,
  ): Promise<DeviceDataset> {
    const source = shardsFrom(dataset, ignored);
    const bytes = sampleBytes(source).map((each) => each * dataset.count);
    const fits = bytes.every((b) => b <= maxTensorBytes) && bytes.reduce((a, b) => a + b) <= maxResidentBytes;
    if (fits && !isSharded(dataset)) {
      const resident = this.#resident.get(dataset) ?? new ResidentDataset(dataset, ignored);
      this.#resident.set(dataset, resident);
      return resident.batches(batchSize);
    }
    const { STREAMED_BYTES, StreamedDataset } = await import("./shard-loader.ts");
    return new StreamedDataset(source, batchSize, Math.min(maxResidentBytes, STREAMED_BYTES), maxTensorBytes);
  }
}

function shardsFrom(dataset: TrainingData, ignored: number | undefined) {
  if (hasColumns(dataset)) return isSharded(dataset) ? dataset : shardsOfColumns(dataset);
  return columnsOfShards(isSharded(dataset) ? dataset : shardsOf(dataset), ignored);
}
