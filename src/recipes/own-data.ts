/**
 * Recipes for the user's own data: a network with two hidden layers for a table of numbers, LeNet-5 for images. The model of a
 * table contains the table's statistics, so that its inputs are columns as they are in the file and its output has the
 * target's unit. A saved file describes the model as text, from which it is built again.
 */

import { type Dataset, sampleSize } from "../data/dataset.ts";
import { columnStatistics } from "../data/prepare/standardize.ts";
import { state, type Tensor } from "../graph/tensor.ts";
import * as nn from "../nn/index.ts";
import { crossEntropy, type Loss, mse } from "../nn/loss.ts";
import { add, div, mul, sub } from "../ops/elementwise/arithmetic.ts";
import { defined } from "../validation/defined.ts";
import { ValueError } from "../validation/errors.ts";
import { Fields } from "../validation/json-fields.ts";
import { lenet5 } from "./lenet5.ts";
import type { Recipe } from "./recipe.ts";

/** The description of a model in a saved file. */
export interface OwnModel {
  readonly kind: "table" | "images";
  /** Shape of one sample: [columns], [1, 28, 28] or [3, 32, 32]. */
  readonly inputShape: readonly number[];
  /** Names of a table's columns. */
  readonly columns?: readonly string[];
  /** Names of the classes; undefined where the target is a number. */
  readonly classNames?: readonly string[];
  /** Standard deviation of the training targets, the unit of the loss. */
  readonly targetStd?: number;
}

/** Limits for models described by a file, which may come from anyone. */
const [MAX_COLUMNS, MAX_CLASSES] = [2 ** 20, 2 ** 16];

/** Side of the images that LeNet-5 takes. */
export const lenet5Side = (channels: 1 | 3): number => (channels === 1 ? 28 : 32);

/**
 * (x - mean) / std of each column, or the inverse y std + mean for the target. Mean and standard deviation are states, so that
 * they are saved with the weights.
 */
class Standardize implements nn.Module {
  readonly mean: Tensor;
  readonly std: Tensor;

  constructor(
    readonly kind: "Standardize" | "Unstandardize",
    mean: Float32Array,
    std: Float32Array,
  ) {
    this.mean = state([mean.length], mean, "f32", "mean");
    this.std = state([std.length], std, "f32", "std");
  }

  forward(x: Tensor): Tensor {
    const { mean, std } = this;
    return this.kind === "Standardize" ? div(sub(x, mean), std) : add(mul(x, std), mean);
  }
}

interface TableStatistics {
  readonly mean: Float32Array;
  readonly std: Float32Array;
  readonly targetMean: number;
  readonly targetStd: number;
}

function statisticsOf(train: Dataset): TableStatistics {
  const { mean, std } = columnStatistics(train);
  const targets = train.classes === undefined ? train.labels : [0];
  const count = targets.length;
  const targetMean = Array.from(targets).reduce((sum, value) => sum + value / count, 0);
  const variance = Array.from(targets).reduce((sum, value) => sum + (value - targetMean) ** 2 / count, 0);
  return {
    mean: Float32Array.from(mean),
    std: Float32Array.from(std, (value) => value || 1),
    targetMean,
    targetStd: Math.sqrt(variance) || 1,
  };
}

const powerOfTwo = (n: number, least: number, most: number) =>
  Math.min(most, Math.max(least, 2 ** Math.ceil(Math.log2(n))));

/** columns - hidden - hidden / 2 - classes (or 1) with ReLU. Without statistics, mean 0 and deviation 1 until a file is loaded. */
function tableModel(
  columns: number,
  classes: number | undefined,
  statistics?: TableStatistics,
): nn.Sequential {
  const hidden = powerOfTwo(2 * Math.max(columns, classes ?? 1), 16, 256);
  const {
    mean = new Float32Array(columns),
    std = new Float32Array(columns).fill(1),
    targetMean = 0,
    targetStd = 1,
  } = statistics ?? {};
  return nn.sequential(
    new Standardize("Standardize", mean, std),
    nn.linear(columns, hidden),
    nn.relu(),
    nn.linear(hidden, hidden / 2),
    nn.relu(),
    nn.linear(hidden / 2, classes ?? 1),
    ...(classes === undefined
      ? [new Standardize("Unstandardize", Float32Array.of(targetMean), Float32Array.of(targetStd))]
      : []),
  );
}

/** Squared error divided by the target's variance: 0 is perfect, 1 is as good as always predicting the mean. */
function relativeMse(std: number): Loss {
  const { build } = mse();
  const scaled = (x: Tensor) => mul(x, 1 / std);
  return {
    classes: false,
    build: (output, target, weights) => build(scaled(output), scaled(target), weights),
  };
}

/** The recipe for a training set, and the description from which `recipeOfOwnModel` builds the same model. */
export function recipeForOwnData(train: Dataset): { readonly recipe: Recipe; readonly model: OwnModel } {
  const { shape } = train.inputs;
  const [first = 0] = train.labels;
  if (train.classes === 1 || train.labels.every((label) => label === first)) {
    const name = train.classes === undefined ? first : (train.classNames?.[first] ?? first);
    throw new ValueError(`data set ${train.name}: all labels are ${name}; there is nothing to learn`);
  }
  const isTable = shape.length === 1;
  const statistics = isTable ? statisticsOf(train) : undefined;
  const model: OwnModel = {
    kind: isTable ? "table" : "images",
    inputShape: shape,
    ...(train.columns ? { columns: train.columns } : {}),
    ...(train.classNames ? { classNames: train.classNames } : {}),
    ...(train.classes === undefined && statistics ? { targetStd: statistics.targetStd } : {}),
  };
  return { recipe: recipeOf(model, train.count, statistics), model };
}

/** The recipe for the model of a saved file; weights and statistics are loaded afterwards. */
export function recipeOfOwnModel(model: OwnModel): Recipe {
  return recipeOf(model, 1);
}

function recipeOf(model: OwnModel, count: number, statistics?: TableStatistics): Recipe {
  const { kind, inputShape, classNames, targetStd = 1 } = model;
  const classes = classNames?.length;
  const batchSize = kind === "images" ? powerOfTwo(count / 64, 8, 64) : powerOfTwo(count / 32, 8, 128);
  const steps = kind === "images" ? 1500 : 2500;
  const epochs = Math.min(100, Math.max(5, Math.round((steps * batchSize) / count)));
  const common = {
    report: "own",
    goals: [],
    target: "as good as the data allow",
    time: "seconds to minutes",
    inputShape,
    epochs,
    batchSize,
    optimizer: "adam",
    learningRate: 2e-3,
    schedule: "cosine",
  } as const;
  if (kind === "images") {
    const [channels = 1] = inputShape;
    return {
      ...common,
      name: "images",
      title: "LeNet-5 on a folder of images",
      dataset: "images",
      model: () => lenet5(channels, classes ?? 1),
      loss: () => crossEntropy(),
    };
  }
  return {
    ...common,
    name: "csv",
    title: "Two hidden layers on a table",
    dataset: "csv",
    model: () => tableModel(sampleSize(inputShape), classes, statistics),
    loss: classes === undefined ? () => relativeMse(targetStd) : () => crossEntropy(),
  };
}

/** The description of a model in a file's metadata. Throws FormatError on any other text. */
export function parseOwnModel(text: string, file: string): OwnModel {
  const model = Fields.parse(text, `${file}: the description of its model can't be used`);
  const kind = model.oneOf("kind", ["table", "images"]);
  const rank = kind === "table" ? 1 : 3;
  const inputShape = model.wholes("inputShape", 1, MAX_COLUMNS, rank, rank);
  const [first = 0, height, width] = inputShape;
  const side = first === 1 || first === 3 ? lenet5Side(first) : 0;
  if (kind === "images" && (height !== side || width !== side))
    model.fail("inputShape", "[1, 28, 28] or [3, 32, 32] for images");
  const texts = (name: string, most: number, least = 0) =>
    model.optional(name, () => model.list(name, (entries, i) => entries.text(i), most, least));
  const columns = texts("columns", first, first);
  const classNames = texts("classNames", MAX_CLASSES);
  if (kind === "images" && classNames === undefined) model.fail("classNames", "a list of texts");
  const targetStd = model.optional("targetStd", () => model.number("targetStd") ?? 0);
  if (targetStd !== undefined && !(targetStd > 0)) model.fail("targetStd", "a number above 0");
  return { kind, inputShape, ...defined({ columns, classNames, targetStd }) };
}
