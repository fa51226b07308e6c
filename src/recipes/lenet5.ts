/**
 * LeNet-5 on 28x28 grey images, after LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
 * recognition", Proc. IEEE 86(11), 1998, with ReLU and max-pooling as it is usually trained today.
 */

import * as nn from "../nn/index.ts";
import { crossEntropy } from "../nn/loss.ts";
import type { Recipe } from "./recipe.ts";

/** conv 6@5x5 pad 2, relu, maxpool 2, conv 16@5x5, relu, maxpool 2, 400-120-84-classes. 61,706 parameters for 10 classes. */
export function lenet5(channels = 1, classes = 10): nn.Sequential {
  return nn.sequential(
    nn.conv2d(channels, 6, 5, { padding: 2 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.conv2d(6, 16, 5),
    nn.relu(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(400, 120),
    nn.relu(),
    nn.linear(120, 84),
    nn.relu(),
    nn.linear(84, classes),
  );
}

export const lenet5Recipe: Recipe = {
  name: "lenet5",
  title: "LeNet-5 on MNIST",
  dataset: "mnist",
  epochs: 3,
  batchSize: 64,
  optimizer: "adam",
  learningRate: 1e-3,
  model: () => lenet5(),
  loss: crossEntropy,
};
