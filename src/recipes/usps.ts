/** The recipe of a network with one filter that distinguishes ones from eights of USPS, trained on 100 of each in their order. */
import * as nn from "../nn/index.ts";
import { heatMap } from "../report/svg.ts";
import { activation, type RecipeOptions } from "./options.ts";
import { divided, eachPart, oneAgainstOther } from "./prepare.ts";
import type { FinishedRun, Recipe } from "./recipe.ts";

const EACH = 100;
const KERNEL = 5;

/** conv 1@5x5 without bias, relu, 144-1; initial values normal with deviation 0.1. The sigmoid is part of the loss. */
export function uspsOneFilter(options: RecipeOptions = {}): nn.Sequential {
  const init = nn.init.normal(0, 0.1);
  return nn.sequential(
    nn.conv2d(1, 1, KERNEL, { bias: false, weightInit: init }),
    activation(options.activation, "relu"),
    nn.flatten(),
    nn.linear(144, 1, { weightInit: init, biasInit: init }),
  );
}

async function kernelPicture({ title, trainer }: FinishedRun): Promise<string> {
  const kernel = Array.from(await trainer.parameter("0.weight"));
  const rows = Array.from({ length: KERNEL }, (_, r) => kernel.slice(r * KERNEL, (r + 1) * KERNEL));
  return heatMap({ title, subtitle: "The learned 5x5 kernel", rows, digits: 2 });
}

export const uspsRecipe: Recipe = {
  name: "usps-1v8",
  title: "One filter on USPS, ones against eights",
  report: "USPS",
  dataset: "usps",
  inputShape: [1, 16, 16],
  target: "training loss below 1e-3 and 200 of 200 right, test accuracy 96 %",
  goals: [
    { measure: "trainLoss", atMost: 1e-3 },
    { measure: "trainAccuracy", atLeast: 1 },
    { measure: "testAccuracy", atLeast: 0.96 },
  ],
  time: "5 seconds on the CPU reference",
  backend: "cpu",
  epochs: 80,
  batchSize: 1,
  shuffle: false,
  optimizer: "sgd",
  learningRate: 0.05,
  options: ["activation"],
  prepare(data, seed) {
    const parts = divided(data, seed);
    const chosen = {
      ...parts,
      train: oneAgainstOther(parts.train, { yes: 8, no: 1, most: EACH }),
      test: oneAgainstOther(parts.test, { yes: 8, no: 1 }),
    };
    // From [-1, 1] to [0, 1].
    return eachPart(chosen, (part) => ({ ...part, inputs: { ...part.inputs, scale: 0.5, offset: 0.5 } }));
  },
  model: uspsOneFilter,
  loss: () => nn.bceWithLogits(),
  picture: kernelPicture,
};
