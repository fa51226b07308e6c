/** Recipes for UCI's 8x8 digits: a perceptron with squared error or cross-entropy, and a network with 16 filters. */
import type { Dataset } from "../data/dataset.ts";
import { split } from "../data/prepare/split.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import type { Shape } from "../graph/spec.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import * as nn from "../nn/index.ts";
import { add } from "../ops/elementwise/arithmetic.ts";
import { classLoss, squaredErrorOfClasses } from "./losses.ts";
import { activation, type RecipeOptions } from "./options.ts";
import { binaryPixels, eachPart } from "./prepare.ts";
import type { Recipe } from "./recipe.ts";

const SAMPLES = 1797;
/** Grey values are 0 to 16; from this one on a binary pixel is 1. */
const THRESHOLD = 8;
const HIDDEN = 89;
const FILTERS = 16;

/** Glorot and Bengio, 2010: tanh and sigmoid start in their linear range. */
const initialisers = { weightInit: nn.init.xavierUniform(), biasInit: nn.init.zeros };

/** 64-89-10 with tanh; `end` are layers that the loss needs. */
function digitsMlp(end: readonly nn.Layer[], options: RecipeOptions = {}): nn.Sequential {
  return nn.sequential(
    nn.flatten(),
    nn.linear(64, HIDDEN, initialisers),
    activation(options.activation, "tanh"),
    nn.linear(HIDDEN, 10, initialisers),
    ...end,
  );
}

/**
 * A bias for every output position of a convolution, instead of one for every filter: x + bias for x `[N, C, H, W]` and
 * `bias` [C, H, W], which starts at 0.
 */
export class PositionBias implements nn.Module {
  readonly kind = "PositionBias";
  readonly bias: Tensor;

  constructor(shape: Shape) {
    this.bias = parameter(shape, 0, "bias");
  }

  forward(x: Tensor): Tensor {
    return add(x, this.bias);
  }
}

/** conv 16@3x3, tanh, 576-10. */
export function digitsCnn(options: RecipeOptions = {}): nn.Sequential {
  const { biasPerPosition = false, logSoftmax = false } = options;
  return nn.sequential(
    nn.conv2d(1, FILTERS, 3, { ...initialisers, bias: !biasPerPosition }),
    ...(biasPerPosition ? [new PositionBias([FILTERS, 6, 6])] : []),
    activation(options.activation, "tanh"),
    nn.flatten(),
    nn.linear(576, 10, initialisers),
    ...(logSoftmax ? [nn.logSoftmax()] : []),
  );
}

/** Divides the samples at random, the first part of `training` samples, and makes pixels binary unless told otherwise. */
const prepareFor =
  (training: number) =>
  (data: Dataset | TrainTest, seed: number, { pixels = "binary" }: RecipeOptions): TrainTest => {
    const parts = "train" in data ? data : dividedAt(data, training / SAMPLES, seed);
    return pixels === "grey" ? parts : eachPart(parts, (part) => binaryPixels(part, THRESHOLD));
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
