/** UCI's 8x8 digits by a perceptron with squared error or cross-entropy, and by 16 filters; one sample at a time. */
import type { Dataset } from "../data/dataset.ts";
import { split } from "../data/prepare/split.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import * as nn from "../nn/index.ts";
import { classLoss } from "./lenet5.ts";
import { squaredErrorOfClasses } from "./losses.ts";
import { activation, type RecipeOptions } from "./options.ts";
import { PositionBias } from "./position-bias.ts";
import { binaryPixels, eachPart } from "./prepare.ts";
import type { Recipe } from "./recipe.ts";

const SAMPLES = 1797;
/** From this of the greys 0 .. 16 on, a pixel is ink. */
const INK = 8;
const HIDDEN = 89;
const FILTERS = 16;

/** Weights by fan-in and fan-out (Glorot and Bengio, 2010), biases 0: tanh and sigmoid begin in their linear part. */
const start = { weightInit: nn.init.xavierUniform(), biasInit: nn.init.zeros };

/** 64-89-10, tanh between; the end is for the loss to choose. */
function digitsMlp(end: readonly nn.Layer[], options: RecipeOptions = {}): nn.Sequential {
  return nn.sequential(
    nn.flatten(),
    nn.linear(64, HIDDEN, start),
    activation(options.activation, "tanh"),
    nn.linear(HIDDEN, 10, start),
    ...end,
  );
}

/** conv 16@3x3, tanh, 576-10. */
export function digitsCnn(options: RecipeOptions = {}): nn.Sequential {
  const { biasPerPosition = false, logSoftmax = false } = options;
  return nn.sequential(
    nn.conv2d(1, FILTERS, 3, { ...start, bias: !biasPerPosition }),
    ...(biasPerPosition ? [new PositionBias([FILTERS, 6, 6])] : []),
    activation(options.activation, "tanh"),
    nn.flatten(),
    nn.linear(576, 10, start),
    ...(logSoftmax ? [nn.logSoftmax()] : []),
  );
}

/** Divides at random, `training` to the rest, and makes pixels binary unless greys are asked for. */
const prepareFor =
  (training: number) =>
  (data: Dataset | TrainTest, seed: number, { pixels = "binary" }: RecipeOptions): TrainTest => {
    const parts = "train" in data ? data : dividedAt(data, training / SAMPLES, seed);
    return pixels === "grey" ? parts : eachPart(parts, (part) => binaryPixels(part, INK));
  };

function dividedAt(data: Dataset, share: number, seed: number): TrainTest {
  const [train, test] = split(data, share, seed, { names: ["train", "test"] });
  return { train, test };
}

const common = {
  report: "digits and Boston",
  dataset: "digits",
  inputShape: [1, 8, 8],
  batchSize: 1,
  optimizer: "sgd",
  time: "3 seconds on the CPU reference",
  backend: "cpu",
} as const;

export const digitsRecipes: readonly Recipe[] = [
  {
    ...common,
    name: "digits-mlp-mse",
    title: "8x8 digits, 89 hidden units, squared error",
    target: "test accuracy 88 % after 10,000 samples",
    goals: [{ measure: "testAccuracy", atLeast: 0.88 }],
    steps: 10_000,
    learningRate: 0.1,
    options: ["activation", "pixels"],
    prepare: prepareFor(1257),
    model: (options) => digitsMlp([nn.sigmoid()], options),
    loss: squaredErrorOfClasses,
  },
  {
    ...common,
    name: "digits-mlp-ce",
    title: "8x8 digits, 89 hidden units, cross-entropy",
    target: "test accuracy 88 % after 10,000 samples",
    goals: [{ measure: "testAccuracy", atLeast: 0.88 }],
    steps: 10_000,
    learningRate: 0.01,
    options: ["activation", "logSoftmax", "pixels"],
    prepare: prepareFor(1257),
    model: (options) => digitsMlp(options?.logSoftmax ? [nn.logSoftmax()] : [], options),
    loss: classLoss,
  },
  {
    ...common,
    name: "digits-cnn",
    title: "8x8 digits, 16 filters",
    target: "training accuracy 93.5 %, test 88 % (mean of 5 splits 90.5 %) after 5,000 samples",
    goals: [
      { measure: "trainAccuracy", atLeast: 0.935 },
      { measure: "testAccuracy", atLeast: 0.88 },
      { measure: "testAccuracy", atLeast: 0.905, over: "mean" },
    ],
    steps: 5000,
    learningRate: 0.01,
    options: ["activation", "biasPerPosition", "logSoftmax", "pixels"],
    prepare: prepareFor(1437),
    model: digitsCnn,
    loss: classLoss,
  },
];
