/**
 * Brings a table that was read later into the form that a model was trained on: the same columns in the same order, the
 * same class numbers. Refuses columns and classes that the model has never seen, and columns that are missing.
 */
import { DataError } from "../../common/errors.ts";
import { quote } from "../../common/printable.ts";
import { type Dataset, titleOf } from "../dataset.ts";

export interface Form {
  readonly columns?: readonly string[] | undefined;
  readonly classNames?: readonly string[] | undefined;
}

/** Copies. A column "colour=red" that is missing is 0 throughout if another of "colour" is there. */
export function alignTo(dataset: Dataset, { columns, classNames }: Form): Dataset {
  let aligned = dataset;
  if (columns !== undefined) aligned = withColumns(aligned, columns);
  if (classNames !== undefined) aligned = withClasses(aligned, classNames);
  return aligned;
}

const textColumn = (column: string) => /^(.*)=/s.exec(column)?.[1];

function withColumns(dataset: Dataset, wanted: readonly string[]): Dataset {
  const { inputs, count, columns: there = [] } = dataset;
  const stranger = there.find((column) => !wanted.includes(column));
  if (stranger !== undefined) throw new DataError(`${dataset.name}: the model knows no column ${stranger}`);
  const texts = new Set(there.map(textColumn));
  const from = wanted.map((column) => {
    const index = there.indexOf(column);
    const text = textColumn(column);
    if (index < 0 && !(text !== undefined && texts.has(text))) {
      throw new DataError(`${dataset.name}: has no column ${column}, which the model needs`);
    }
    return index;
  });
  const data = new Float32Array(count * wanted.length);
  for (let row = 0; row < count; row++) {
    from.forEach((index, column) => {
      if (index >= 0) data[row * wanted.length + column] = inputs.data[row * there.length + index] as number;
    });
  }
  return { ...dataset, inputs: { ...inputs, data, shape: [wanted.length] }, columns: wanted };
}

function withClasses(dataset: Dataset, wanted: readonly string[]): Dataset {
  const { classNames } = dataset;
  if (classNames === undefined)
    throw new DataError(`${dataset.name}: has target values, the model tells classes apart`);
  const numbers = classNames.map((name) => wanted.indexOf(name));
  const unknown = numbers.indexOf(-1);
  if (unknown >= 0) throw new DataError(`${dataset.name}: the model knows no class ${classNames[unknown]}`);
  const labels = Int32Array.from(dataset.labels, (label) => numbers[label] as number);
  return { ...dataset, labels, classes: wanted.length, classNames: wanted };
}

/** Throws DataError where the names of classes or columns that both have stand at other numbers than in the training set. */
export function expectAligned(
  dataset: Form & Pick<Dataset, "name" | "split">,
  training: Form & Pick<Dataset, "name" | "split">,
): void {
  const check = (what: string, names: readonly string[] = [], trained: readonly string[] = []) => {
    if (names === trained) return;
    const at = names.findIndex((name, i) => i < trained.length && name !== trained[i]);
    // Names that have nothing in common are those of other things, or of a file without a header.
    if (at < 0 || !names.some((name) => trained.includes(name))) return;
    throw new DataError(
      `${titleOf(dataset)}: ${what} ${at} is ${quote(names[at] as string)}, in the training set (${titleOf(training)}) ` +
        `it is ${quote(trained[at] as string)}; bring it into the same order with data.alignTo(dataset, trainingSet)`,
    );
  };
  check("class", dataset.classNames, training.classNames);
  check("column", dataset.columns, training.columns);
}
