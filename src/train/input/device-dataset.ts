/** A data set that is on the device whole; batches are formed there. */

import type { Dataset } from "../../data/dataset.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";
import type { Batch } from "../../transforms/transform.ts";
import { DataLeaves } from "./dataset-tensors.ts";
import { gatherBatch } from "./gather-batch.ts";

export class ResidentData {
  readonly leaves: DataLeaves;

  /** As `DataLeaves`. */
  constructor(
    readonly dataset: Dataset,
    ignored?: number,
  ) {
    this.leaves = new DataLeaves(dataset, ignored);
  }

  /** The data in batches of this size. */
  batches(batchSize: number) {
    return {
      stepsPerEpoch: Math.ceil(this.dataset.count / batchSize),
      batch: (step: Tensor, key: Tensor | undefined) => this.#batch(batchSize, step, key),
      upload: (backend: Backend) => this.leaves.upload(backend),
    };
  }

  /** The batch that `step` points at; shuffled anew every epoch if `key` is given. */
  #batch(batchSize: number, step: Tensor, key: Tensor | undefined): Batch {
    const { inputs, count, labels, labelShape, classes } = this.dataset;
    const { x, targets, weights } = gatherBatch(this.leaves.inputs, this.leaves.targets, step, {
      count,
      batchSize,
      shape: inputs.shape,
      scale: inputs.scale ?? 1,
      offset: inputs.offset ?? 0,
      ...(labels instanceof Int32Array ? {} : { targetShape: labelShape ?? [1] }),
      ...(key === undefined ? {} : { shuffleKey: key }),
    });
    return { x, target: targets, weights, ...(classes === undefined ? {} : { classes }) };
  }
}
