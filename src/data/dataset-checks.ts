/** Checks that data sets with inputs and labels and those with named columns have in common. */
import { DataError } from "../validation/errors.ts";

/** Number of values in a sample of this shape. */
export function sampleSize(shape: readonly number[]): number {
  return shape.reduce((size, extent) => size * extent, 1);
}

/** For errors: "data set mnist/train". */
export const titleOf = (dataset: { readonly name: string; readonly split: string }) =>
  `data set ${dataset.name}/${dataset.split}`;

export function expectData(holds: unknown, message: string): asserts holds {
  if (!holds) throw new DataError(message);
}

/** Checks that throw a DataError which begins with the name of the data set. */
export function dataChecks(dataset: {
  readonly name: string;
  readonly split: string;
  readonly count: number;
}) {
  const { count } = dataset;
  const check = (holds: boolean, what: string) => expectData(holds, `${titleOf(dataset)}: ${what}`);
  return {
    check,
    checkCount: () =>
      check(Number.isInteger(count) && count >= 1, `must hold at least one sample, count is ${count}`),
    checkShape: (what: string, shape: readonly number[]) =>
      check(
        shape.every((extent) => Number.isInteger(extent) && extent >= 1),
        `${what} must be whole numbers of at least 1, got [${shape.join(", ")}]`,
      ),
    checkLength(what: string, length: number, shape: readonly number[]) {
      const expected = count * sampleSize(shape);
      check(
        length === expected,
        `${what} must hold ${expected} values (${count} of [${shape.join(", ")}]), got ${length}`,
      );
    },
    checkFinite(what: string, values: Float32Array, each: number) {
      const at = values.findIndex((value) => !Number.isFinite(value));
      check(at < 0, `${what} ${at % each} of sample ${Math.floor(at / each)} is ${values[at]}`);
    },
    /** Class numbers 0 .. classes - 1, or `ignored`. */
    checkClasses(what: string, values: ArrayLike<number>, each: number, classes: number, ignored?: number) {
      const labels = Array.prototype.findIndex;
      const at = labels.call(values, (label) => (label < 0 || label >= classes) && label !== ignored);
      const sample = Math.floor(at / each);
      const place = each === 1 ? `sample ${sample}` : `position ${at % each} of sample ${sample}`;
      check(at < 0, `${what} ${values[at]} of ${place} is outside 0 .. ${classes - 1}`);
    },
  };
}
