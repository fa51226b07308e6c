/** The tensors that hold a data set on a device. Uses no op, so that programs compiled ahead of time need none. */

import { type Dataset, labelSize, packBytes, sampleSize } from "../../data/dataset.ts";
import { readable } from "../../data/lazy-inputs.ts";
import type { ShardedDataset } from "../../data/sharded.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";

/** Bytes read from a file at a time, in whole words. */
const CHUNK_BYTES = 2 ** 21;

/** A data set without its samples. */
export type DatasetForm = Omit<ShardedDataset, "read">;

export class DatasetTensors {
  /** u32 with four bytes to a word, the first one lowest, or f32. */
  readonly inputs: Tensor;
  /** i32 class numbers or f32 values. */
  readonly targets: Tensor;

  /** `samples`: how many there is room for. */
  constructor(
    readonly form: DatasetForm,
    samples = form.count,
  ) {
    const { name, split, classes, inputs } = form;
    const values = samples * sampleSize(inputs.shape);
    const words = inputs.bytes ? Math.ceil(values / 4) : values;
    const labels = samples * labelSize(form);
    this.inputs = input([words], inputs.bytes ? "u32" : "f32", `${name}/${split} inputs`);
    this.targets = input([labels], classes === undefined ? "f32" : "i32", `${name}/${split} labels`);
  }

  /** Writes all samples, once a program that uses the tensors is compiled. Rejects with what reading rejects with. */
  async upload({ inputs, labels, count }: Dataset, backend: Backend): Promise<void> {
    backend.write(this.targets, labels);
    const bytes = readable(inputs);
    if (bytes === undefined) {
      const { data } = inputs;
      backend.write(this.inputs, data instanceof Uint8Array ? packBytes(data) : data);
      return;
    }
    const total = count * sampleSize(inputs.shape);
    let chunk: Uint8Array | undefined;
    for (let offset = 0; offset < total; offset += CHUNK_BYTES) {
      chunk = await bytes.read(offset, Math.min(CHUNK_BYTES, total - offset), chunk);
      backend.write(this.inputs, packBytes(chunk), offset / 4);
      // Written data is held twice in host memory until the device has it: wait before more is read.
      await backend.finished?.();
    }
  }
}
