/**
 * The two kinds of data sets as each other: inputs and labels as columns of these names, which is how they are put on a device, and
 * two columns of these names as inputs and labels, for a trainer with a model and a loss.
 */
import { DataError } from "../validation/errors.ts";
import {
  type ColumnDataset,
  type ColumnForm,
  type ColumnSamples,
  hasColumns,
  type Reading,
  readingOf,
  type ShardedColumns,
  seenAs,
  shardsOfColumns,
} from "./columns.ts";
import { type Dataset, labelShapeOf, titleOf } from "./dataset.ts";
import {
  isSharded,
  type PairData,
  readPart,
  type Samples,
  type ShardedDataset,
  type TrainingData,
} from "./sharded.ts";

/** Inputs and labels as columns. Nothing is copied or loaded. */
export function columnsOf(dataset: Dataset): ColumnDataset {
  const { name, split, count, inputs, labels, classes } = dataset;
  const shape = labelShapeOf(dataset);
  return { name, split, count, columns: { inputs, labels: { data: labels, shape, classes } } };
}

/** The same of data that are read in parts, which are checked. `ignored`: a label that need not be a class. */
export function columnsOfShards(data: ShardedDataset, ignored?: number): ShardedColumns {
  const { name, split, count, inputs, classes } = data;
  const { shape, scale, offset, bytes, whole } = inputs;
  return Object.assign<Reading, Omit<ShardedColumns, keyof Reading>>(readingOf(data), {
    name,
    split,
    count,
    columns: {
      inputs: { dtype: bytes ? "u8" : whole ? "i32" : "f32", shape, scale, offset },
      labels: { dtype: classes === undefined ? "f32" : "i32", shape: labelShapeOf(data), classes },
    },
    checksParts: true,
    read: async (start: number, length: number, into?: ColumnSamples) =>
      ({
        ...(await readPart(data, start, length, into as unknown as Samples | undefined, ignored)),
      }) as ColumnSamples,
  });
}

const pairs = new WeakMap<ColumnDataset | ShardedColumns, PairData>();

/** `data` as inputs and labels. Throws DataError, naming `who`, where it has other columns or ones of other kinds. */
export function pairOf(who: string, data: TrainingData): PairData {
  if (!hasColumns(data)) return data;
  const pair = pairs.get(data) ?? makePair(who, data);
  pairs.set(data, pair);
  return pair;
}

function makePair(who: string, data: ColumnDataset | ShardedColumns): PairData {
  const forms = isSharded(data) ? data.columns : shardsOfColumns(data).columns;
  const { inputs, labels } = forms;
  const refuse = (why: string) =>
    new DataError(
      `${who}: ${titleOf(data)} ${why}. A trainer with a model and a loss takes the columns inputs and labels; train on others ` +
        "with a step function: Trainer.create(device, { model, optimizer, step: (batch) => ({ loss }) })",
    );
  if (inputs === undefined || labels === undefined || Object.keys(forms).length !== 2) {
    throw refuse(`has the columns ${Object.keys(forms).join(", ")}`);
  }
  if (inputs.dtype === "u32" || (inputs.dtype === "u8" && inputs.as === "i32")) {
    throw refuse(`has inputs of ${inputs.dtype} as ${seenAs(inputs)}, which must be f32 or an Int32Array`);
  }
  const { classes, classNames, scale = 1, offset = 0 } = labels;
  const isPlain = labels.dtype === "f32" ? scale === 1 && offset === 0 : labels.dtype === "i32" && classes;
  if (!isPlain) throw refuse("has labels that are neither unscaled f32 nor i32 with `classes`");
  const { name, split, count } = data;
  const rest = {
    name,
    split,
    count,
    labelShape: labels.shape,
    ...(classes !== undefined && { classes }),
    ...(classNames !== undefined && { classNames }),
  };
  if (!isSharded(data)) {
    const { columns } = data as unknown as { columns: Record<"inputs" | "labels", { data: never }> };
    return {
      ...rest,
      inputs: { ...seenForm(inputs), data: columns.inputs.data },
      labels: columns.labels.data,
    };
  }
  const kind = { bytes: inputs.dtype === "u8", ...(inputs.dtype === "i32" && { whole: true }) };
  return Object.assign(readingOf(data), {
    ...rest,
    inputs: { ...seenForm(inputs), ...kind },
    read: async (start: number, length: number, into?: Samples) =>
      (await data.read(start, length, into && { ...into })) as unknown as Samples,
  });
}

const seenForm = ({ shape, scale = 1, offset = 0 }: ColumnForm) => ({ shape, scale, offset });
