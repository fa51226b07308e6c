/** Data sets on a device, and the batches that are formed from them there. */

import {
  type ColumnDataset,
  type ColumnForm,
  hasColumns,
  seenAs,
  shardsOfColumns,
  validateColumns,
} from "../../data/columns.ts";
import { type InMemory, validateDataset } from "../../data/dataset.ts";
import { columnsOf } from "../../data/inputs-and-labels.ts";
import { stepsPerEpoch } from "../../geometry/batches.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { type BatchOrderOptions, batchOrder } from "../../ops/data/batch-order.ts";
import type { Shards } from "../../ops/data/batch-schedule.ts";
import { gatherBatch } from "../../ops/data/gather-batch.ts";
import { gatherRows } from "../../ops/data/gather-rows.ts";
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
  /** The batch of step `step[0]`; with `key`, every epoch is shuffled anew. */
  columns(step: Tensor, key: Tensor | undefined): StepBatch;
  /** The batch of a data set with inputs and labels. */
  batch(step: Tensor, key: Tensor | undefined): Batch;
  /** Writes all samples, where there is room for all of them. */
  upload?(backend: Backend): Promise<void>;
  /** Loads shards while training goes on, where there is not. */
  loader?(backend: Backend, readKey: ReadKey | undefined): DataLoader;
}

/** The batches of the samples in `tensors`, of which `shards` are on the device at a time. */
export function batchesOf(
  tensors: DatasetTensors,
  batchSize: number,
  shards?: Shards,
): Pick<DeviceDataset, "columns" | "batch"> {
  const columns = (step: Tensor, key: Tensor | undefined) =>
    gatherColumns(tensors, step, {
      count: tensors.form.count,
      batchSize,
      ...(key === undefined ? {} : { shuffleKey: key }),
      ...(shards === undefined ? {} : { shards }),
    });
  const { classes } = tensors.form.columns.labels ?? {};
  return {
    columns,
    batch(step, key) {
      const { columns: made, weights } = columns(step, key);
      const { inputs: x, labels: target } = made as Record<"inputs" | "labels", Tensor>;
      return { x, target, weights, ...(classes === undefined ? {} : { classes }) };
    },
  };
}

/** Inputs and labels are gathered in one dispatch; other columns in one each, and one for their order. */
function gatherColumns(
  { form, columns: data }: DatasetTensors,
  step: Tensor,
  options: BatchOrderOptions,
): StepBatch {
  const entries = Object.entries(form.columns);
  const { inputs, labels } = form.columns;
  const isPair = entries.length === 2 && inputs !== undefined;
  const known = isPair && (seenAs(inputs) === "f32" || (inputs.dtype === "i32" && isPlain(inputs)));
  if (known && labels !== undefined && isPlain(labels)) {
    const { x, targets, weights } = gatherBatch(data.inputs as Tensor, data.labels as Tensor, step, {
      ...options,
      shape: inputs.shape,
      scale: inputs.scale ?? 1,
      offset: inputs.offset ?? 0,
      targetShape: labels.shape,
    });
    return { columns: { inputs: x, labels: targets }, weights };
  }
  const { samples, weights } = batchOrder(step, options);
  const gathered = entries.map(([key, { dtype, shape, as = "f32", scale = 1, offset = 0 }]) => {
    const form = dtype === "u8" ? { shape, scale, offset, bytes: true, as } : { shape, scale, offset };
    return [key, gatherRows(data[key] as Tensor, samples, form)] as const;
  });
  return { columns: Object.fromEntries(gathered), weights };
}

const isPlain = ({ dtype, scale = 1, offset = 0 }: ColumnForm) =>
  (dtype === "i32" || dtype === "f32") && scale === 1 && offset === 0;

/** A data set that is wholly on the device. */
export class ResidentDataset {
  readonly tensors: DatasetTensors;
  readonly #columns: ColumnDataset;

  /** Throws DataError on a faulty data set. `ignored`: a label that need not be a class. */
  constructor(dataset: InMemory, ignored?: number) {
    this.#columns = hasColumns(dataset)
      ? validateColumns(dataset)
      : columnsOf(validateDataset(dataset, ignored));
    this.tensors = new DatasetTensors(shardsOfColumns(this.#columns));
  }

  /** Any number of batch sizes share the samples. */
  batches(batchSize: number): DeviceDataset {
    return {
      stepsPerEpoch: stepsPerEpoch(this.#columns.count, batchSize),
      ...batchesOf(this.tensors, batchSize),
      upload: (backend) => this.tensors.upload(this.#columns, backend),
    };
  }
}
