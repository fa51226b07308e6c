/** Batches that users make: their columns and number of samples, and the tensors that they are written to. */

import { type Column, formOf, fromColumns, type GivenColumn, seenAs } from "../../data/columns.ts";
import { type Data, type DType, formatSpec, sizeOf } from "../../graph/spec.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import { shapeOf, toData, type Values } from "../../graph/values.ts";
import type { Backend } from "../../runtime/backend.ts";
import { ValueError } from "../../validation/errors.ts";
import { shown } from "../../validation/options.ts";

/**
 * Columns by name. A typed array has the dtype of its kind (bytes: f32), any other array of numbers f32. The shape of a sample is
 * given (`{ data, shape: [4] }`), or that of nested arrays; of plain arrays, the shortest has one number per sample.
 */
export type UserBatch = Readonly<Record<string, GivenColumn | Values>>;

/** A batch that was checked. */
export interface BatchSamples {
  readonly count: number;
  readonly columns: Readonly<Record<string, Column>>;
}

/** Throws ValueError or DataError on columns that are none or of different numbers of samples, and on more than `capacity`. */
export function readUserBatch(who: string, batch: UserBatch, capacity: number): BatchSamples {
  if (typeof batch !== "object" || batch === null || Array.isArray(batch) || ArrayBuffer.isView(batch)) {
    throw new ValueError(
      `${who}: takes columns by name, as in { observations, actions }, got ${shown(batch)}`,
    );
  }
  if ("weights" in batch) {
    throw new ValueError(
      `${who}: weights are 1 for each sample and 0 for padding; give factors another name`,
    );
  }
  const plain = new Map<string, Column["data"]>();
  const shaped = new Map<string, GivenColumn>();
  for (const [name, given] of Object.entries(batch)) {
    if (Array.isArray(given)) {
      const data = Float32Array.from(toData(`${who}: ${name}`, "f32", given));
      const shape = shapeOf(given).slice(1);
      if (shape.length === 0) plain.set(name, data);
      else shaped.set(name, { data, shape });
    } else if (ArrayBuffer.isView(given)) plain.set(name, given as Column["data"]);
    else shaped.set(name, given as GivenColumn);
  }
  const first = [...shaped.values()][0] as Partial<Column> | null | undefined;
  const shortest = Math.min(...Array.from(plain.values(), ({ length }) => length));
  const size = Array.isArray(first?.shape) ? sizeOf(first.shape) : 1;
  const count = shaped.size === 0 ? shortest : (first?.data?.length ?? 0) / size;
  const columns: Record<string, GivenColumn> = {};
  for (const name of Object.keys(batch)) {
    const data = plain.get(name);
    const each = data === undefined ? 1 : data.length / count;
    const shape = each === 1 || !Number.isInteger(each) ? [] : [each];
    columns[name] = data === undefined ? (shaped.get(name) as GivenColumn) : { data, shape };
  }
  const checked = fromColumns(columns, { name: who, split: "batch" });
  if (checked.count > capacity) {
    throw new ValueError(
      `${who}: takes at most ${capacity} samples, the batch size or \`capacity\`, got ${checked.count}; give a larger capacity, or ` +
        "several batches",
    );
  }
  // The caller may fill its arrays again while the step waits for its turn.
  const copied = Object.entries(checked.columns).map(([name, column]) => {
    return [name, { ...column, data: column.data.slice() }] as const;
  });
  return { count: checked.count, columns: Object.fromEntries(copied) };
}

/** Tensors for up to `capacity` samples. */
export class BatchTensors {
  readonly columns: Readonly<Record<string, Tensor>>;
  /** f32 [capacity]: 1 for a sample, 0 for padding. */
  readonly weights: Tensor;

  constructor(
    readonly capacity: number,
    forms: Readonly<Record<string, { readonly shape: readonly number[]; readonly dtype: DType }>>,
  ) {
    const made = Object.entries(forms).map(([name, { shape, dtype }]) => {
      return [name, input([capacity, ...shape], dtype, name)] as const;
    });
    this.columns = Object.fromEntries(made);
    this.weights = input([capacity], "f32", "weights");
  }

  /** Writes `samples`, and fills up with the same ones again, so that statistics over a batch are of real samples. */
  write(backend: Backend, { count, columns }: BatchSamples): void {
    for (const [name, tensor] of Object.entries(this.columns)) {
      // A column that the step does not use is not on the device.
      if (!backend.holds(tensor)) continue;
      const { data, scale = 1, offset = 0 } = columns[name] as Column;
      const padded = zerosFor(tensor);
      padded.set(scale === 1 && offset === 0 ? data : Float32Array.from(data, (x) => x * scale + offset));
      for (let end = data.length; end < padded.length; end *= 2) padded.copyWithin(end, 0, end);
      backend.write(tensor, padded);
    }
    backend.write(this.weights, zerosFor(this.weights).fill(1, 0, count));
  }
}

const zerosFor = ({ dtype, size }: Tensor): Data =>
  new ({ f32: Float32Array, i32: Int32Array, u32: Uint32Array })[dtype](size);

/** What step functions see of the columns: equal forms share a program. */
export function formsOf({ columns }: BatchSamples) {
  const forms = Object.entries(columns).map(([name, column]) => {
    const dtype = seenAs(formOf(column));
    return [name, { shape: column.shape, dtype }] as const;
  });
  return Object.fromEntries(forms);
}

/** `{ observations f32[200, 4], actions i32[200] }`. */
export const describeColumns = ({ columns }: BatchTensors): string =>
  `{ ${Object.entries(columns)
    .map(([name, tensor]) => `${name} ${formatSpec(tensor)}`)
    .join(", ")} }`;
