/**
 * Brings a table that was read later into the form that a model was trained on: the same columns in the same order, and
 * the same class numbers.
 */
import { DataError } from "../../validation/errors.ts";
import { quote } from "../../validation/printable.ts";
import { type Dataset, titleOf } from "../dataset.ts";

export interface Form {
  readonly columns?: readonly string[] | undefined;
  readonly classNames?: readonly string[] | undefined;
}

/**
 * A copy of the data set in the given form. A missing column "colour=red" is 0 throughout if another one of "colour"
 * exists. Throws DataError on other missing columns, and on columns and classes that the form does not have.
 */
export function alignTo(dataset: Dataset, { columns, classNames }: Form): Dataset {
  let aligned = dataset;
  if (columns !== undefined) aligned = withColumns(aligned, columns);
  if (classNames !== undefined) aligned = withClasses(aligned, classNames);
  return aligned;
}

/** "colour" for a column "colour=red". */
const textColumn = (column: string) => /^(.*)=/s.exec(column)?.[1];

function withColumns(dataset: Dataset, wanted: readonly string[]): Dataset {
  const { name, inputs, count, columns: existing = [] } = dataset;
  const unknown = existing.find((column) => !wanted.includes(column));
  if (unknown !== undefined) throw new DataError(`${name}: the model knows no column ${unknown}`);
  const texts = new Set(existing.map(textColumn));
  const sources = wanted.map((column) => {
    const index = existing.indexOf(column);
    const text = textColumn(column);
    if (index >= 0 || (text !== undefined && texts.has(text))) return index;
    throw new DataError(`${name}: has no column ${column}, which the model needs`);
  });
  const data = new Float32Array(count * wanted.length);
  for (let row = 0; row < count; row++) {
    sources.forEach((index, column) => {
      if (index >= 0)
        data[row * wanted.length + column] = inputs.data[row * existing.length + index] as number;
    });
  }
  return { ...dataset, inputs: { ...inputs, data, shape: [wanted.length] }, columns: wanted };
}

function withClasses(dataset: Dataset, wanted: readonly string[]): Dataset {
  const { name, classNames } = dataset;
  if (classNames === undefined)
    throw new DataError(`${name}: has target values, but the model predicts classes`);
  const numbers = classNames.map((className) => wanted.indexOf(className));
  const unknown = numbers.indexOf(-1);
  if (unknown >= 0) throw new DataError(`${name}: the model knows no class ${classNames[unknown]}`);
  const labels = Int32Array.from(dataset.labels, (label) => numbers[label] as number);
  return { ...dataset, labels, classes: wanted.length, classNames: wanted };
}

/** Throws DataError where a class or column of both sets has another number than in the training set. */
export function expectAligned(
  dataset: Form & Pick<Dataset, "name" | "split">,
  training: Form & Pick<Dataset, "name" | "split">,
): void {
  const check = (what: string, names: readonly string[] = [], trained: readonly string[] = []) => {
    if (names === trained) return;
    const at = names.findIndex((name, i) => i < trained.length && name !== trained[i]);
    // Names that have nothing in common belong to different things, or to a file without a header.
    if (at < 0 || !names.some((name) => trained.includes(name))) return;
    throw new DataError(
      `${titleOf(dataset)}: ${what} ${at} is ${quote(names[at] as string)}, in the training set (${titleOf(training)}) ` +
        `it is ${quote(trained[at] as string)}; bring it into the same order with data.alignTo(dataset, trainingSet)`,
    );
  };
  check("class", dataset.classNames, training.classNames);
  check("column", dataset.columns, training.columns);
}
