/**
 * Text as a data set of characters: sample i is character i, its label the character after it. `windows` makes sequences of it,
 * as language models take them. Class names are the characters.
 */
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
  const count = Math.floor((text.count - length) / stride) + 1;
  if (count < 1) {
    throw new ValueError(
      `${text.name}/${text.split}: ${text.count} characters are less than one window of ${length}`,
    );
  }
  const [data, labels] = [new Int32Array(count * length), new Int32Array(count * length)];
  for (let i = 0; i < count; i++) {
    data.set(text.inputs.data.subarray(i * stride, i * stride + length), i * length);
    labels.set(text.labels.subarray(i * stride, i * stride + length), i * length);
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
