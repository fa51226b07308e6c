/** The tensors that hold a data set on a device. Uses no op, so that programs compiled ahead of time need none. */

import type { ColumnDataset, ColumnValues, ShardedColumns } from "../../data/columns.ts";
import { packBytes, sampleSize } from "../../data/dataset.ts";
import { readable, type SampleArray } from "../../data/lazy-inputs.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";

/** Bytes read from a file at a time, in whole words. */
const CHUNK_BYTES = 2 ** 21;

/** A data set without its samples. */
export type DatasetForm = Omit<ShardedColumns, "read">;

/** Values for upload: bytes four to a word. */
export const wordsOf = (values: ColumnValues) => (values instanceof Uint8Array ? packBytes(values) : values);

/** Bytes that one sample takes on the device, by column. */
export const sampleBytes = ({ columns }: Pick<ShardedColumns, "columns">) =>
  Object.values(columns).map(({ dtype, shape }) => sampleSize(shape) * (dtype === "u8" ? 1 : 4));

export class DatasetTensors {
  /** By column: bytes as u32 with four to a word, the first one lowest; other columns as they are. */
  readonly columns: Readonly<Record<string, Tensor>>;

  /** `samples`: how many there is room for. */
  constructor(
    readonly form: DatasetForm,
    samples = form.count,
  ) {
    const { name, split, columns } = form;
    const tensors = Object.entries(columns).map(([key, { dtype, shape }]) => {
      const values = samples * sampleSize(shape);
      const words = dtype === "u8" ? Math.ceil(values / 4) : values;
      return [key, input([words], dtype === "u8" ? "u32" : dtype, `${name}/${split} ${key}`)];
    });
    this.columns = Object.fromEntries(tensors);
  }

  /** The column `inputs`. */
  get inputs(): Tensor {
    return this.columns.inputs as Tensor;
  }

  /** The column `labels`. */
  get targets(): Tensor {
    return this.columns.labels as Tensor;
  }

  /**
   * Writes all samples of the columns that a compiled program uses. Rejects with what reading rejects with.
   */
  async upload({ columns, count }: ColumnDataset, backend: Backend): Promise<void> {
    for (const [key, column] of Object.entries(columns)) {
      const tensor = this.columns[key] as Tensor;
      if (!backend.holds(tensor)) continue;
      const bytes = readable(column as SampleArray);
      if (bytes === undefined) {
        backend.write(tensor, wordsOf(column.data));
        continue;
      }
      const total = count * sampleSize(column.shape);
      let chunk: Uint8Array | undefined;
      for (let offset = 0; offset < total; offset += CHUNK_BYTES) {
        chunk = await bytes.read(offset, Math.min(CHUNK_BYTES, total - offset), chunk);
        backend.write(tensor, packBytes(chunk), offset / 4);
        // Written data is held twice in host memory until the device has it: wait before more is read.
        await backend.finished?.();
      }
    }
  }
}
