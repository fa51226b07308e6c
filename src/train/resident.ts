/** A data set on the device: uploaded once, bytes as bytes; batches are formed there. */
import type { Backend } from "../backend.ts";
import { type Dataset, packBytes, validateDataset } from "../data/dataset.ts";
import { DataError } from "../errors.ts";
import { gatherBatch } from "../ops/gather-batch.ts";
import { type Data, input, type Tensor } from "../tensor.ts";

export interface Batch {
  /** [batchSize, …shape] */
  readonly x: Tensor;
  /** i32 [batchSize] class numbers, or f32 [batchSize, …labelShape]. */
  readonly target: Tensor;
  /** f32 [batchSize]: 1, or 0 for the padding of the last batch. */
  readonly weights: Tensor;
}

export class ResidentData {
  readonly #inputs: Tensor;
  readonly #targets: Tensor;
  readonly #data: readonly [Data, Data];

  /** `classes`: whether the loss wants class numbers. Throws DataError on a faulty data set or the other kind. */
  constructor(
    readonly dataset: Dataset,
    classes: boolean,
  ) {
    validateDataset(dataset);
    const { inputs, labels, name, split } = dataset;
    if (labels instanceof Int32Array !== classes) {
      const kinds = classes
        ? "class numbers, but the labels are values"
        : "values, but the labels are class numbers";
      throw new DataError(`data set ${name}/${split}: the loss wants ${kinds}`);
    }
    const bytes = inputs.data instanceof Uint8Array;
    const words = bytes ? packBytes(inputs.data as Uint8Array) : (inputs.data as Float32Array);
    this.#inputs = input([words.length], bytes ? "u32" : "f32", `${name}/${split} inputs`);
    this.#targets = input(
      [labels.length],
      labels instanceof Int32Array ? "i32" : "f32",
      `${name}/${split} labels`,
    );
    this.#data = [words, labels];
  }

  stepsPerEpoch(batchSize: number): number {
    return Math.ceil(this.dataset.count / batchSize);
  }

  /** The batch that `step` points at; shuffled anew every epoch if `key` is given. */
  batch(batchSize: number, step: Tensor, key: Tensor | undefined): Batch {
    const { inputs, count, labels, labelShape } = this.dataset;
    const { x, targets, weights } = gatherBatch(this.#inputs, this.#targets, step, {
      count,
      batchSize,
      shape: inputs.shape,
      scale: inputs.scale ?? 1,
      offset: inputs.offset ?? 0,
      ...(labels instanceof Int32Array ? {} : { targetShape: labelShape ?? [1] }),
      ...(key === undefined ? {} : { shuffleKey: key }),
    });
    return { x, target: targets, weights };
  }

  /** Writes the data; once, after a program that uses it has been compiled. */
  upload(backend: Backend): void {
    backend.write(this.#inputs, this.#data[0]);
    backend.write(this.#targets, this.#data[1]);
  }
}
