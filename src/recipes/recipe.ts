/** A ready experiment: model, data and hyper-parameters under one name, for the command line, demo, tests and bench. */
import type { Loss } from "../nn/loss.ts";
import type { Layer } from "../nn/module.ts";

export interface Recipe {
  readonly name: string;
  /** One line for people. */
  readonly title: string;
  readonly dataset: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: "sgd" | "adam" | "adamw";
  readonly learningRate: number;
  model(): Layer;
  loss(): Loss;
}
