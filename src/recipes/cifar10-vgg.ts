/**
 * A small VGG (Simonyan, Zisserman, 2014) with batch normalisation (Ioffe, Szegedy, 2015), and its recipe for 20,000 images of
 * CIFAR-10, flipped and shifted at random. It needs a GPU.
 */

import * as nn from "../nn/index.ts";
import { compose, randomCrop, randomHorizontalFlip } from "../transforms/index.ts";
import { checkOptions } from "../validation/options.ts";
import { classLoss } from "./losses.ts";
import { activation, RECIPE, type RecipeOptions } from "./options.ts";
import { cifarPart } from "./prepare.ts";
import type { Recipe } from "./recipe.ts";

/**
 * Three blocks, each of two 3x3 convolutions with batch norm and ReLU and a max-pool of 2; the first has `width` filters, each
 * next one twice as many. Then dropout and a linear layer. For images of 32x32 pixels.
 */
export function vgg(width = 32, channels = 3, classes = 10, options: RecipeOptions = {}): nn.Sequential {
  checkOptions("recipes.vgg", options, RECIPE);
  const block = (from: number, to: number): nn.Layer[] => [
    ...unit(from, to, options),
    ...unit(to, to, options),
    nn.maxPool2d(2),
  ];
  return nn.sequential(
    ...block(channels, width),
    ...block(width, 2 * width),
    ...block(2 * width, 4 * width),
    nn.flatten(),
    nn.dropout(0.3),
    nn.linear(4 * width * 16, classes),
    ...(options.logSoftmax ? [nn.logSoftmax()] : []),
  );
}

function unit(from: number, to: number, options: RecipeOptions): nn.Layer[] {
  const weightInit = nn.init.kaimingNormal();
  return [
    // Batch norm removes any bias of the convolution.
    nn.conv2d(from, to, 3, { padding: 1, bias: false, weightInit }),
    nn.batchNorm2d(to),
    activation(options.activation, "relu"),
  ];
}

export const cifar10VggRecipe: Recipe = {
  name: "cifar10-vgg",
  title: "A small VGG on 20,000 images of CIFAR-10",
  report: "own",
  dataset: "cifar10",
  inputShape: [3, 32, 32],
  target: "test accuracy 68 % within 15 epochs",
  goals: [{ measure: "testAccuracy", at: { bestOf: 15 }, atLeast: 0.68 }],
  time: "for a GPU; hours on 2 cores without one",
  epochs: 15,
  batchSize: 64,
  optimizer: "adamw",
  learningRate: 4e-3,
  schedule: "oneCycle",
  weightDecay: 0.02,
  keepBest: true,
  options: ["activation", "logSoftmax"],
  prepare: cifarPart,
  transform: () => compose(randomHorizontalFlip(), randomCrop(32, { padding: 4 })),
  model: (given) => vgg(32, 3, 10, given),
  loss: classLoss,
};
