/**
 * Recipes for Boston house prices on standardised columns, one sample per step: a linear function, whose best possible error
 * is known from least squares, and small networks with sigmoids.
 */
import { type Dataset, readSample } from "../data/dataset.ts";
import type { TrainTest } from "../data/published/dataset-source.ts";
import * as nn from "../nn/index.ts";
import { scatterPlot } from "../report/svg.ts";
import { predict } from "../train/predict/predict.ts";
import { leastSquares } from "./least-squares.ts";
import { squaredError } from "./losses.ts";
import { activation, type RecipeOptions } from "./options.ts";
import { divided, standardized } from "./prepare.ts";
import type { FinishedRun, Goal, Recipe } from "./recipe.ts";

const COLUMNS = 13;

/** 13 inputs, hidden layers of the given sizes with sigmoids, one linear output. */
export function bostonNetwork(hidden: readonly number[], options: RecipeOptions = {}): nn.Sequential {
  const linear = (from: number, to: number) =>
    nn.linear(from, to, { weightInit: nn.init.xavierUniform(), biasInit: nn.init.zeros });
  const layers = hidden.flatMap((size, i) => [
    linear(hidden[i - 1] ?? COLUMNS, size),
    activation(options.activation, "sigmoid"),
  ]);
  return nn.sequential(...layers, linear(hidden.at(-1) ?? COLUMNS, 1));
}

/** The smallest mean squared error of any linear function of the columns on the training set. */
export function leastSquaresError({ train }: TrainTest): number {
  const rows = Array.from({ length: train.count }, (_, i) => readSample(train, i));
  return leastSquares(rows, train.labels).meanSquaredError;
}

async function predictionPicture({ title, trainer, data }: FinishedRun): Promise<string> {
  const seriesOf = async (name: string, part: Dataset) => {
    const { values } = await predict(trainer, part);
    return { name, points: Array.from(part.labels, (truth, i) => [truth, values[i] as number] as const) };
  };
  const series = [await seriesOf("training set", data.train), await seriesOf("test set", data.test)];
  return scatterPlot({ title, xLabel: "true price in $1000s", yLabel: "predicted", series, diagonal: true });
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
