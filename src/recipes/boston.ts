/**
 * Boston house prices by a line and by small networks of sigmoids, one sample at a time, on columns of mean 0 and deviation
 * 1. What a line can reach at best is known: least squares.
 */
import { readSample } from "../data/dataset.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import * as nn from "../nn/index.ts";
import { scatterPlot } from "../report/svg.ts";
import { predict } from "../train/loop/predict.ts";
import { leastSquares } from "./least-squares.ts";
import { squaredError } from "./losses.ts";
import { activation, type RecipeOptions } from "./options.ts";
import { divided, standardized } from "./prepare.ts";
import type { Goal, Recipe } from "./recipe.ts";
import type { FinishedRun } from "./results.ts";

const COLUMNS = 13;

/** 13 inputs, hidden layers of sigmoids of these sizes, one linear output. */
export function bostonNetwork(hidden: readonly number[], options: RecipeOptions = {}): nn.Sequential {
  const layers = hidden.flatMap((size, i) => [
    nn.linear(hidden[i - 1] ?? COLUMNS, size, {
      weightInit: nn.init.xavierUniform(),
      biasInit: nn.init.zeros,
    }),
    activation(options.activation, "sigmoid"),
  ]);
  const last = nn.linear(hidden.at(-1) ?? COLUMNS, 1, {
    weightInit: nn.init.xavierUniform(),
    biasInit: nn.init.zeros,
  });
  return nn.sequential(...layers, last);
}

/** The least mean squared error that a linear function of the columns has on the training set. */
export function leastSquaresError({ train }: TrainTest): number {
  const rows = Array.from({ length: train.count }, (_, i) => readSample(train, i));
  return leastSquares(rows, train.labels).meanSquaredError;
}

async function predictionPicture({ title, trainer, data }: FinishedRun): Promise<string> {
  const series = [];
  for (const [name, part] of [
    ["training set", data.train],
    ["test set", data.test],
  ] as const) {
    const { values: predicted } = await predict(trainer, part);
    series.push({
      name,
      points: Array.from(part.labels, (truth, i) => [truth, predicted[i] as number] as const),
    });
  }
  return scatterPlot({
    title,
    xLabel: "true price in $1000s",
    yLabel: "predicted",
    series,
    diagonal: true,
  });
}

interface Variant {
  readonly name: string;
  readonly title: string;
  readonly hidden: readonly number[];
  readonly target: string;
  readonly goals: readonly Goal[];
}

function bostonRecipe({ hidden, ...rest }: Variant): Recipe {
  return {
    ...rest,
    report: "digits and Boston",
    dataset: "boston",
    inputShape: [COLUMNS],
    time: "1 second on the CPU reference",
    backend: "cpu",
    steps: 20_000,
    batchSize: 1,
    optimizer: "sgd",
    learningRate: 0.01,
    schedule: "linear",
    options: hidden.length > 0 ? ["activation"] : [],
    prepare: (data, seed) => standardized(divided(data, seed)),
    model: (options) => bostonNetwork(hidden, options),
    loss: squaredError,
    picture: predictionPicture,
  };
}

export const bostonRecipes: readonly Recipe[] = [
  bostonRecipe({
    name: "boston-linear",
    title: "Boston house prices, a linear function",
    hidden: [],
    target: "training error within 5 % of least squares",
    goals: [{ measure: "trainLoss", atMost: (data) => 1.05 * leastSquaresError(data) }],
  }),
  bostonRecipe({
    name: "boston-13",
    title: "Boston house prices, 13 hidden units",
    hidden: [13],
    target: "training error below 8, test below 27 (median below 18)",
    goals: [
      { measure: "trainLoss", atMost: 8 },
      { measure: "testLoss", atMost: 27 },
      { measure: "testLoss", atMost: 18, over: "median" },
    ],
  }),
  bostonRecipe({
    name: "boston-13-13",
    title: "Boston house prices, two layers of 13 hidden units",
    hidden: [13, 13],
    target: "training error below 6, test below 25 (median below 16)",
    goals: [
      { measure: "trainLoss", atMost: 6 },
      { measure: "testLoss", atMost: 25 },
      { measure: "testLoss", atMost: 16, over: "median" },
    ],
  }),
];
