/** A network without convolutions for 28x28 grey images, and its recipe, for comparison with LeNet-5. */

import * as nn from "../nn/index.ts";
import { crossEntropy } from "../nn/loss.ts";
import type { Recipe } from "./recipe.ts";

/** 784-128-classes with ReLU. 101,770 parameters for 10 classes. */
export function mlp(features = 784, classes = 10): nn.Sequential {
  return nn.sequential(nn.flatten(), nn.linear(features, 128), nn.relu(), nn.linear(128, classes));
}

export const mlpRecipe: Recipe = {
  name: "mlp",
  title: "One hidden layer on MNIST",
  report: "own",
  dataset: "mnist",
  inputShape: [1, 28, 28],
  target: "test accuracy 96.5 % after 3 epochs",
  goals: [{ measure: "testAccuracy", atLeast: 0.965 }],
  time: "15 seconds on 2 cores without a GPU",
  epochs: 3,
  batchSize: 64,
  optimizer: "adam",
  learningRate: 1e-3,
  model: () => mlp(),
  loss: () => crossEntropy(),
};
