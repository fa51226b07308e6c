/** The leaves that hold a data set on a device: brought there once, bytes as bytes. */

import { type Dataset, packBytes, sampleSize, validateDataset } from "../../data/dataset.ts";
import { holdsBytes, readable } from "../../data/lazy-inputs.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";

/** Bytes that are read at a time where not all are in memory; whole words. */
const PIECE = 2 ** 21;

export class DataLeaves {
  /** u32, bytes four to a word, or f32. */
  readonly inputs: Tensor;
  /** i32 class numbers or f32 values. */
  readonly targets: Tensor;

  /** Throws DataError on a faulty data set; `ignored`: a label that need not be a class. */
  constructor(
    readonly dataset: Dataset,
    ignored?: number,
  ) {
    validateDataset(dataset, ignored);
    const { inputs, labels, name, split, count } = dataset;
    const bytes = holdsBytes(inputs);
    const values = count * sampleSize(inputs.shape);
    const words = bytes ? Math.ceil(values / 4) : values;
    this.inputs = input([words], bytes ? "u32" : "f32", `${name}/${split} inputs`);
    this.targets = input(
      [labels.length],
      labels instanceof Int32Array ? "i32" : "f32",
      `${name}/${split} labels`,
    );
  }

  /** Writes the data; once, after a program that uses it has been compiled. Rejects with what reading rejects with. */
  async upload(backend: Backend): Promise<void> {
    const { inputs, labels } = this.dataset;
    backend.write(this.targets, labels);
    const bytes = readable(inputs);
    if (bytes === undefined) {
      const { data } = inputs;
      backend.write(this.inputs, data instanceof Uint8Array ? packBytes(data) : data);
      return;
    }
    const all = this.dataset.count * sampleSize(inputs.shape);
    let piece: Uint8Array | undefined;
    for (let at = 0; at < all; at += PIECE) {
      piece = await bytes.read(at, Math.min(PIECE, all - at), piece);
      backend.write(this.inputs, packBytes(piece), at / 4);
      // What is on its way lies in memory twice.
      await backend.finished?.();
    }
  }
}
