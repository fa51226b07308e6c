/** A data set on the device: uploaded once, bytes as bytes; batches are formed there. */
import type { Backend } from "../backend.ts";
import { type Dataset, packBytes, validateDataset } from "../data/dataset.ts";
import { gatherBatch } from "../ops/gather-batch.ts";
import { type Data, input, type Tensor } from "../tensor.ts";
import type { Batch } from "../transforms/transform.ts";

export class ResidentData {
  readonly #inputs: Tensor;
  readonly #targets: Tensor;
  readonly #data: readonly [Data, Data];

  /** Throws DataError on a faulty data set. */
  constructor(readonly dataset: Dataset) {
    validateDataset(dataset);
    const { inputs, labels, name, split } = dataset;
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

  /** The data in batches of this size. */
  batches(batchSize: number) {
    return {
      stepsPerEpoch: Math.ceil(this.dataset.count / batchSize),
      batch: (step: Tensor, key: Tensor | undefined) => this.#batch(batchSize, step, key),
      upload: (backend: Backend) => this.#upload(backend),
    };
  }

  /** The batch that `step` points at; shuffled anew every epoch if `key` is given. */
  #batch(batchSize: number, step: Tensor, key: Tensor | undefined): Batch {
    const { inputs, count, labels, labelShape, classes } = this.dataset;
    const { x, targets, weights } = gatherBatch(this.#inputs, this.#targets, step, {
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

  /** Writes the data; once, after a program that uses it has been compiled. */
  #upload(backend: Backend): void {
    backend.write(this.#inputs, this.#data[0]);
    backend.write(this.#targets, this.#data[1]);
  }
}
