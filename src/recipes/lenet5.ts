/**
 * LeNet-5 (LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86(11),
 * 1998) with ReLU and max-pooling, and its recipes for MNIST, Fashion-MNIST and CIFAR-10.
 */

import * as nn from "../nn/index.ts";
import { compose, randomRotation, randomShift } from "../transforms/index.ts";
import { checkOptions } from "../validation/options.ts";
import { classLoss } from "./losses.ts";
import { activation, RECIPE, type RecipeOption, type RecipeOptions } from "./options.ts";
import { cifarPart, normalizedBy } from "./prepare.ts";
import type { Recipe } from "./recipe.ts";

/**
 * conv 6@5x5, relu, maxpool 2, conv 16@5x5, relu, maxpool 2, 400-120-84-classes: 61,706 parameters for one channel and 10
 * classes. One channel means 28x28 pixels, padded by 2 all around to the paper's 32x32; more mean 32x32.
 */
export function lenet5(channels = 1, classes = 10, options: RecipeOptions = {}): nn.Sequential {
  const { batchNorm = false, logSoftmax = false } = checkOptions("recipes.lenet5", options, RECIPE);
  const act = () => activation(options.activation, "relu");
  const norm = (layer: nn.Layer) => (batchNorm ? [layer] : []);
  return nn.sequential(
    nn.conv2d(channels, 6, 5, { padding: channels === 1 ? 2 : 0 }),
    ...norm(nn.batchNorm2d(6)),
    act(),
    nn.maxPool2d(2),
    nn.conv2d(6, 16, 5),
    ...norm(nn.batchNorm2d(16)),
    act(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(400, 120),
    ...norm(nn.batchNorm1d(120)),
    act(),
    nn.linear(120, 84),
    ...norm(nn.batchNorm1d(84)),
    act(),
    nn.linear(84, classes),
    ...(logSoftmax ? [nn.logSoftmax()] : []),
  );
}

/** Mean and standard deviation of the training pixels: normalised inputs give a better first epoch. */
const [MEAN, STD] = [0.1307, 0.3081];
const mnist = normalizedBy(MEAN, STD);
/** The normalised value of a black pixel. */
const BACKGROUND = -MEAN / STD;

const options: readonly RecipeOption[] = ["batchNorm", "logSoftmax", "activation"];

const common = {
  batchSize: 64,
  optimizer: "adam",
  learningRate: 1e-3,
  options,
  loss: classLoss,
} as const;
const ofGreyImages = {
  ...common,
  inputShape: [1, 28, 28],
  model: (given?: RecipeOptions) => lenet5(1, 10, given),
} as const;

export const lenet5Recipe: Recipe = {
  ...ofGreyImages,
  name: "lenet5",
  title: "LeNet-5 on MNIST",
  report: "LeNet-5",
  dataset: "mnist",
  epochs: 5,
  target: "test accuracy 96.8 % after 1 epoch, best of 5 epochs 98.3 %",
  goals: [
    { measure: "testAccuracy", at: { epoch: 1 }, atLeast: 0.968 },
    { measure: "testAccuracy", at: { bestOf: 5 }, atLeast: 0.983 },
  ],
  time: "1 minute on 2 cores without a GPU",
  prepare: mnist,
};

export const lenet5BestRecipe: Recipe = {
  ...ofGreyImages,
  name: "lenet5-best",
  title: "LeNet-5 on MNIST, rotated and shifted at random, with a one-cycle schedule",
  report: "own",
  dataset: "mnist",
  epochs: 15,
  target: "test accuracy 99.2 % within 15 epochs",
  goals: [{ measure: "testAccuracy", at: { bestOf: 15 }, atLeast: 0.992 }],
  time: "4 minutes on 2 cores without a GPU",
  optimizer: "adamw",
  learningRate: 4e-3,
  schedule: "oneCycle",
  weightDecay: 0.01,
  keepBest: true,
  prepare: mnist,
  // Pixels that come from outside the image are black.
  transform: () => compose(randomRotation(10, { fill: BACKGROUND }), randomShift(2, { fill: BACKGROUND })),
};

export const lenet5FashionRecipe: Recipe = {
  ...ofGreyImages,
  name: "lenet5-fashion",
  title: "LeNet-5 on Fashion-MNIST",
  report: "own",
  dataset: "fashion-mnist",
  epochs: 5,
  target: "test accuracy 88.5 % within 5 epochs",
  goals: [{ measure: "testAccuracy", at: { bestOf: 5 }, atLeast: 0.885 }],
  time: "1 minute on 2 cores without a GPU",
  learningRate: 4e-3,
  schedule: "oneCycle",
  prepare: normalizedBy(0.286, 0.353),
};

export const lenet5Cifar10Recipe: Recipe = {
  ...common,
  name: "lenet5-cifar10",
  title: "LeNet-5 on 20,000 images of CIFAR-10",
  report: "LeNet-5",
  dataset: "cifar10",
  inputShape: [3, 32, 32],
  epochs: 10,
  target: "test accuracy 50 % after 5 epochs, 54 % after 10",
  goals: [
    { measure: "testAccuracy", at: { epoch: 5 }, atLeast: 0.5 },
    { measure: "testAccuracy", at: { epoch: 10 }, atLeast: 0.54 },
  ],
  time: "1 minute on 2 cores without a GPU",
  prepare: cifarPart,
  model: (given) => lenet5(3, 10, given),
};
