/**
 * A small GPT-2 (Radford et al., 2019) on the characters of Tiny Shakespeare, in the two sizes for which nanoGPT publishes
 * results. As there, windows of characters to train begin at random places, drawn with replacement.
 */

import type { Dataset } from "../data/dataset.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import { randomWindows, splitText, windows } from "../data/text-dataset.ts";
import * as nn from "../nn/index.ts";
import { divided } from "./prepare.ts";
import type { Recipe } from "./recipe.ts";

/** Different characters of the text. */
const CHARACTERS = 65;
const TRAINING = 0.9;

/** Most characters in windows to train, of 4 bytes each with as many labels: 64 MiB. Longer runs see windows again. */
const MOST_CHARACTERS = 2 ** 23;

function shakespeareRecipe(
  model: Omit<nn.GptOptions, "vocabSize">,
  settings: Pick<Recipe, "name" | "title" | "target" | "goals" | "time" | "batchSize" | "evaluateEvery"> & {
    readonly steps: number;
  },
): Recipe {
  const { contextLength } = model;
  const count = Math.min(settings.batchSize * settings.steps, MOST_CHARACTERS / contextLength);
  return {
    ...settings,
    report: "own",
    dataset: "tinyshakespeare",
    inputShape: [contextLength],
    inputs: "tokens",
    optimizer: "adamw",
    learningRate: 1e-3,
    minLearningRate: 1e-4,
    schedule: "cosine",
    warmUpSteps: 100,
    betas: [0.9, 0.99],
    weightDecay: 0.1,
    clipNorm: 1,
    sample: { prompt: "\n", tokens: 120 },
    prepare(data: Dataset | TrainTest, seed: number): TrainTest {
      const { train, test } = "train" in data ? divided(data, seed) : splitText(data, TRAINING);
      return { train: randomWindows(train, contextLength, count, seed), test: windows(test, contextLength) };
    },
    model: () => nn.gpt({ ...model, vocabSize: CHARACTERS, bias: false }),
    loss: () => nn.crossEntropy({ classAxis: -1 }),
  };
}

export const shakespeareRecipes: readonly Recipe[] = [
  shakespeareRecipe(
    { layers: 4, heads: 4, embedSize: 128, contextLength: 64 },
    {
      name: "gpt-shakespeare",
      title: "A GPT of 0.8 million parameters on the characters of Tiny Shakespeare",
      target: "test loss at most 1.88 nats per character after 2,000 steps",
      goals: [{ measure: "testLoss", atMost: 1.88 }],
      time: "half an hour on 2 cores without a GPU",
      batchSize: 12,
      steps: 2000,
      evaluateEvery: 500,
    },
  ),
  shakespeareRecipe(
    { layers: 6, heads: 6, embedSize: 384, contextLength: 256, dropout: 0.2 },
    {
      name: "gpt-shakespeare-large",
      title: "A GPT of 10.7 million parameters on the characters of Tiny Shakespeare",
      target: "test loss at most 1.5 nats per character at its best",
      goals: [{ measure: "testLoss", atMost: 1.5 }],
      time: "for a GPU; days on 2 cores without one",
      batchSize: 64,
      steps: 5000,
      evaluateEvery: 250,
    },
  ),
];
