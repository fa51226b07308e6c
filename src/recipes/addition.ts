/**
 * A small GPT that learns to add numbers of two digits from examples, such as 27+48=570: the sum is written with its last digit
 * first, so that each digit depends on those before it. Only the sum's digits are predicted, and a tenth of all pairs is kept
 * for the test. An answer counts as right if all its digits are.
 */
import type { Dataset } from "../data/dataset.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import * as nn from "../nn/index.ts";
import { Random } from "../numbers/random.ts";
import { IGNORED } from "../ops/loss/class-targets.ts";
import { CharacterTokenizer } from "../tokenizers/characters.ts";
import { answerLoss } from "./losses.ts";
import type { Recipe } from "./recipe.ts";

const NUMBERS = 100;
const TEST = 1000;
const CHARACTERS = [..."0123456789+="];
/** Of `27+48=`. */
const QUESTION = 6;
/** Characters that the model sees: all but the last one of `27+48=570`. */
const LENGTH = QUESTION + 2;

const twoDigits = (n: number) => String(n).padStart(2, "0");

/** Question and answer of a pair of numbers below 100. */
export function additionText(a: number, b: number): string {
  const sum = [...String(a + b).padStart(3, "0")].reverse().join("");
  return `${twoDigits(a)}+${twoDigits(b)}=${sum}`;
}

function sums(split: string, pairs: Uint32Array): Dataset {
  const inputs = new Int32Array(pairs.length * LENGTH);
  const labels = new Int32Array(pairs.length * LENGTH).fill(IGNORED);
  const tokenizer = new CharacterTokenizer(CHARACTERS);
  pairs.forEach((pair, i) => {
    const text = additionText(Math.floor(pair / NUMBERS), pair % NUMBERS);
    const ids = tokenizer.encode(text);
    inputs.set(ids.subarray(0, LENGTH), i * LENGTH);
    labels.set(ids.subarray(QUESTION), i * LENGTH + QUESTION - 1);
  });
  return {
    name: "addition",
    split,
    count: pairs.length,
    inputs: { data: inputs, shape: [LENGTH] },
    labels,
    labelShape: [LENGTH],
    classes: CHARACTERS.length,
    classNames: CHARACTERS,
  };
}

/** All pairs, divided in the same way for every seed of a run. */
function additionData(): TrainTest {
  const pairs = new Random(1).permutation(NUMBERS ** 2);
  return { train: sums("train", pairs.subarray(TEST)), test: sums("test", pairs.subarray(0, TEST)) };
}

export const additionRecipe: Recipe = {
  name: "addition",
  title: "A GPT that adds numbers of two digits",
  report: "own",
  dataset: "addition",
  inputShape: [LENGTH],
  inputs: "tokens",
  target: "95 % of 1,000 sums that were not trained right in all digits",
  goals: [{ measure: "testAccuracy", atLeast: 0.95 }],
  time: "2 minutes on 2 cores without a GPU",
  steps: 800,
  batchSize: 128,
  evaluateEvery: 400,
  optimizer: "adamw",
  learningRate: 3e-3,
  schedule: "cosine",
  warmUpSteps: 50,
  betas: [0.9, 0.99],
  weightDecay: 0.1,
  clipNorm: 1,
  data: additionData,
  model: () =>
    nn.gpt({ vocabSize: CHARACTERS.length, contextLength: LENGTH, layers: 2, heads: 4, embedSize: 64 }),
  loss: answerLoss,
  sample: { prompt: "27+48=", tokens: 3 },
};
