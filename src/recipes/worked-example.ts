/** The 5x5 example that is worked through by hand, shown step by step and fitted. */
import { squaredError } from "./losses.ts";
import type { Recipe } from "./recipe.ts";
import { WorkedExample, workedPicture } from "./worked-example-model.ts";
import { demonstrateWorkedExample } from "./worked-example-tour.ts";

export const workedExampleRecipe: Recipe = {
  name: "worked-example",
  title: "The 5x5 example worked through by hand, every value and derivative",
  report: "5x5 example",
  dataset: "worked-example",
  inputShape: [1, 5, 5],
  target: "error below 1e-4 after 262,941 steps in float64",
  goals: [
    { measure: "trainLoss", atMost: 1e-4 },
    { measure: "steps", atLeast: 262_940, atMost: 262_942 },
  ],
  time: "4 s on the CPU reference",
  backend: "cpu",
  bits: 64,
  steps: 262_941,
  batchSize: 1,
  optimizer: "sgd",
  learningRate: 0.01,
  data: () => ({ train: workedPicture(), test: { ...workedPicture(), split: "test" } }),
  model: () => new WorkedExample(),
  loss: squaredError,
  demonstration: demonstrateWorkedExample,
};
