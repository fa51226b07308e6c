/** What the answers to a validation set say: who was taken for whom, and the worst mistakes. Pure. */

export interface Mistake {
  /** Index of the sample in the set. */
  readonly index: number;
  readonly label: number;
  readonly guess: number;
  /** Share that the network gave its wrong guess. */
  readonly certainty: number;
}

export interface Answers {
  readonly classes: number;
  /** [truth, guess], row-major. */
  readonly confusion: Uint32Array;
  readonly correct: number;
  readonly count: number;
  /** Surest wrong answers first. */
  readonly mistakes: readonly Mistake[];
}

/** `probabilities`: [labels.length, classes], row-major. Keeps the `most` surest of the wrong answers. */
export function judge(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
  most = 15,
): Answers {
  const confusion = new Uint32Array(classes * classes);
  const mistakes: Mistake[] = [];
  let correct = 0;
  for (let i = 0; i < labels.length; i++) {
    const guess = largest(probabilities, i * classes, classes);
    const label = labels[i] as number;
    confusion[label * classes + guess]!++;
    if (guess === label) correct++;
    else mistakes.push({ index: i, label, guess, certainty: probabilities[i * classes + guess] as number });
  }
  mistakes.sort((a, b) => b.certainty - a.certainty || a.index - b.index);
  return { classes, confusion, correct, count: labels.length, mistakes: mistakes.slice(0, most) };
}

/** Index, from `from` on, of the largest of `count` values; the first of equals. */
export function largest(values: ArrayLike<number>, from = 0, count = values.length): number {
  let best = 0;
  for (let i = 1; i < count; i++) {
    if ((values[from + i] as number) > (values[from + best] as number)) best = i;
  }
  return best;
}
