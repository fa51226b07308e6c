/** Evaluates a classifier's predictions on a test set: confusion matrix, accuracy, and the most confident mistakes. */

export { shares } from "../numbers/softmax.ts";

export interface Mistake {
  /** Index of the sample in the set. */
  readonly index: number;
  readonly label: number;
  readonly guess: number;
  /** Predicted probability of the wrong guess, 0 to 1. */
  readonly certainty: number;
}

export interface Answers {
  readonly classes: number;
  /** Counts by [true class, predicted class], row-major. */
  readonly confusion: Uint32Array;
  readonly correct: number;
  readonly count: number;
  /** The most confident first. */
  readonly mistakes: readonly Mistake[];
}

/** `probabilities`: [labels.length, classes], row-major. `mistakes` has the `most` most confident wrong predictions. */
export function judge(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
  most = 18,
): Answers {
  const confusion = new Uint32Array(classes * classes);
  const mistakes: Mistake[] = [];
  let correct = 0;
  for (let i = 0; i < labels.length; i++) {
    const guess = largest(probabilities, i * classes, classes);
    const label = labels[i] as number;
    (confusion[label * classes + guess] as number)++;
    if (guess === label) correct++;
    else mistakes.push({ index: i, label, guess, certainty: probabilities[i * classes + guess] as number });
  }
  mistakes.sort((a, b) => b.certainty - a.certainty || a.index - b.index);
  return { classes, confusion, correct, count: labels.length, mistakes: mistakes.slice(0, most) };
}

/** Index of the largest of `count` values from `from` on, relative to `from`; the first one of equal values. */
export function largest(values: ArrayLike<number>, from = 0, count = values.length): number {
  let best = 0;
  for (let i = 1; i < count; i++) {
    if ((values[from + i] as number) > (values[from + best] as number)) best = i;
  }
  return best;
}
