/**
 * Text as a data set of characters: sample i is character i, its label the character after it. `windows` and `randomWindows`
 * make sequences of it, as language models take them. Class names are the characters.
 */
import { Random } from "../numbers/random.ts";
import { CharacterTokenizer } from "../tokenizers/characters.ts";
import { FormatError, ValueError } from "../validation/errors.ts";
import type { Dataset } from "./dataset.ts";

/** Throws FormatError on a text of fewer than two characters. */
export function textDataset(
  text: string,
  { name, characters }: { readonly name: string; readonly characters: readonly string[] },
): Dataset {
  const ids = new CharacterTokenizer(characters).encode(text, { name });
  if (ids.length < 2) throw new FormatError(`${name}: needs at least two characters`);
  return {
    name,
    split: "all",
    count: ids.length - 1,
    inputs: { data: ids.subarray(0, -1), shape: [1] },
    labels: ids.subarray(1),
    classes: characters.length,
    classNames: characters,
  };
}

/**
 * Sequences of `length` neighbouring samples of a text, one beginning every `stride` samples, copied; what remains at the end is
 * left out. Throws ValueError on a text that is shorter than one sequence.
 */
export function windows(text: Dataset, length: number, stride = length): Dataset {
  const count = Math.floor(lastStart(text, length) / stride) + 1;
  return windowsAt(text, length, count, (i) => i * stride);
}

/**
 * `count` sequences of `length` neighbouring samples of a text, copied, each beginning at any place with the same probability.
 * Throws ValueError on a text that is shorter than one sequence.
 */
export function randomWindows(text: Dataset, length: number, count: number, seed: number): Dataset {
  const starts = lastStart(text, length) + 1;
  const random = new Random(seed);
  return windowsAt(text, length, count, () => random.below(starts));
}

function lastStart({ name, split, count }: Dataset, length: number): number {
  if (count < length)
    throw new ValueError(`${name}/${split}: ${count} characters are less than one window of ${length}`);
  return count - length;
}

function windowsAt(text: Dataset, length: number, count: number, startOf: (i: number) => number): Dataset {
  const [data, labels] = [new Int32Array(count * length), new Int32Array(count * length)];
  for (let i = 0; i < count; i++) {
    const start = startOf(i);
    data.set(text.inputs.data.subarray(start, start + length), i * length);
    labels.set(text.labels.subarray(start, start + length), i * length);
  }
  return { ...text, count, inputs: { data, shape: [length] }, labels, labelShape: [length] };
}

/** The first `share` of a text and the rest of it, as training and test set. */
export function splitText(text: Dataset, share: number): { readonly train: Dataset; readonly test: Dataset } {
  const at = Math.floor((text.count + 1) * share);
  const part = (split: string, from: number, to: number): Dataset => ({
    ...text,
    split,
    count: to - from,
    inputs: { ...text.inputs, data: text.inputs.data.subarray(from, to) },
    labels: text.labels.subarray(from, to),
  });
  // The label of the last training character would be the first character of the test set.
  return { train: part("train", 0, at - 1), test: part("test", at, text.count) };
}
