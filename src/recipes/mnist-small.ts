/** The recipe of a small convolutional network for 42,000 images of MNIST: 38,000 to train and 4,000 to test. */
import { subset } from "../data/dataset.ts";
import { split } from "../data/prepare/split.ts";
import * as nn from "../nn/index.ts";
import { classLoss } from "./losses.ts";
import { activation, type RecipeOptions } from "./options.ts";
import { divided } from "./prepare.ts";
import type { Recipe } from "./recipe.ts";

const IMAGES = 42_000;
const TRAINING = 38_000;

/** conv 2@5x5 without bias, relu, maxpool 2, 288-60-10: 18,000 parameters, initialised as in He et al., 2015. */
export function mnistSmall(options: RecipeOptions = {}): nn.Sequential {
  const { batchNorm = false, logSoftmax = false } = options;
  const act = () => activation(options.activation, "relu");
  const weightInit = nn.init.kaimingNormal();
  const biasInit = nn.init.zeros;
  return nn.sequential(
    nn.conv2d(1, 2, 5, { bias: false, weightInit }),
    ...(batchNorm ? [nn.batchNorm2d(2)] : []),
    act(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(288, 60, { weightInit, biasInit }),
    ...(batchNorm ? [nn.batchNorm1d(60)] : []),
    act(),
    nn.linear(60, 10, { weightInit, biasInit }),
    ...(logSoftmax ? [nn.logSoftmax()] : []),
  );
}

export const mnistSmallRecipe: Recipe = {
  name: "mnist-small",
  title: "Two filters and 60 hidden units on 38,000 images of MNIST",
  report: "MNIST from scratch",
  dataset: "mnist",
  inputShape: [1, 28, 28],
  target: "test accuracy 95.5 % after 5 epochs, best of 20 epochs 96.9 %",
  goals: [
    { measure: "testAccuracy", at: { epoch: 5 }, atLeast: 0.955 },
    { measure: "testAccuracy", at: { bestOf: 20 }, atLeast: 0.969 },
    // The run ends with its best weights.
    { measure: "testAccuracy", atLeast: 0.969 },
  ],
  time: "1 minute on 2 cores without a GPU",
  epochs: 20,
  batchSize: 128,
  optimizer: "adam",
  learningRate: 1e-3,
  betas: [0.9, 0.995],
  keepBest: true,
  options: ["batchNorm", "logSoftmax", "activation"],
  prepare(data, seed) {
    const all = subset(divided(data, seed).train, IMAGES);
    const [train, test] = split(all, TRAINING / IMAGES, seed, { names: ["train", "test"] });
    return { train, test };
  },
  model: mnistSmall,
  loss: classLoss,
};
