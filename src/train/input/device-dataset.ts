/** Data sets on a device, and the batches that are formed from them there. */

import { type Dataset, validateDataset } from "../../data/dataset.ts";
import { shardsOf } from "../../data/sharded.ts";
import { stepsPerEpoch } from "../../geometry/batches.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Shards } from "../../ops/data/batch-schedule.ts";
import { gatherBatch } from "../../ops/data/gather-batch.ts";
import type { Backend } from "../../runtime/backend.ts";
import type { Batch } from "../../transforms/transform.ts";
import { DatasetTensors } from "./dataset-tensors.ts";
import type { Key } from "./shard-schedule.ts";

/** Reads the key of the run's shuffling. */
export type ReadKey = () => Promise<Key>;

/** Loads parts of a data set while training goes on. */
export interface DataLoader {
  /**
   * For one run of steps: a function to await before each submit. It resolves when the samples of `step` are on the device,
   * with the number of steps that can be taken from there on. Rejects with what reading rejects with.
   */
  begin(): (step: number) => Promise<number>;
}

/** What a step function gets: the samples of one step by column. */
export interface StepBatch {
  /** Each `[batchSize, …shape]`: f32, i32 or u32. An ordinary data set has the columns `inputs` and `labels`. */
  readonly columns: Readonly<Record<string, Tensor>>;
  /** f32 [batchSize]: 1, or 0 for rows after the last sample. */
  readonly weights: Tensor;
}

/** A data set in batches of one size. */
export interface DeviceDataset {
  readonly stepsPerEpoch: number;
  /** `batch` by column names. */
  columns(step: Tensor, key: Tensor | undefined): StepBatch;
  /** The batch of step `step[0]`; with `key`, every epoch is shuffled anew. */
  batch(step: Tensor, key: Tensor | undefined): Batch;
  /** Writes all samples, where there is room for all of them. */
  upload?(backend: Backend): Promise<void>;
  /** Loads shards while training goes on, where there is not. */
  loader?(backend: Backend, readKey: ReadKey | undefined): DataLoader;
}

/** Forms the batch of step `step[0]` from the samples in `tensors`. */
export function batchFrom(
  { form, inputs, targets }: DatasetTensors,
  batchSize: number,
  step: Tensor,
  key: Tensor | undefined,
  shards?: Shards,
): Batch {
  const { count, classes, labelShape = [1] } = form;
  const gathered = gatherBatch(inputs, targets, step, {
    count,
    batchSize,
    shape: form.inputs.shape,
    scale: form.inputs.scale ?? 1,
    offset: form.inputs.offset ?? 0,
    ...(classes === undefined ? { targetShape: labelShape } : {}),
    ...(key === undefined ? {} : { shuffleKey: key }),
    ...(shards === undefined ? {} : { shards }),
  });
  const { x, targets: target, weights } = gathered;
  return { x, target, weights, ...(classes === undefined ? {} : { classes }) };
}

/** The batch of a data set with inputs and labels by column names. */
export function columnsOf({ x, target, weights }: Batch): StepBatch {
  return { columns: { inputs: x, labels: target }, weights };
}

/** A data set that is wholly on the device. */
export class ResidentDataset {
  readonly tensors: DatasetTensors;

  /** Throws DataError on a faulty data set. `ignored`: a label that need not be a class. */
  constructor(
    readonly dataset: Dataset,
    ignored?: number,
  ) {
    validateDataset(dataset, ignored);
    this.tensors = new DatasetTensors(shardsOf(dataset));
  }

  /** Any number of batch sizes share the samples. */
  batches(batchSize: number): DeviceDataset {
    const batch = (step: Tensor, key: Tensor | undefined) => batchFrom(this.tensors, batchSize, step, key);
    return {
      stepsPerEpoch: stepsPerEpoch(this.dataset.count, batchSize),
      batch,
      columns: (step, key) => columnsOf(batch(step, key)),
      upload: (backend) => this.tensors.upload(this.dataset, backend),
    };
  }
}
