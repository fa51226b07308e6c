/** Optimizers beside Adam, fetched when one is chosen. */
import { optim } from "../src/index.ts";
import type { OptimizerName } from "./settings.ts";

export const otherOptimizers: Record<
  Exclude<OptimizerName, "adam" | "adamw">,
  (rate: number) => optim.Optimizer
> = {
  sgd: (learningRate) => optim.sgd({ learningRate, momentum: 0.9 }),
  rmsprop: (learningRate) => optim.rmsprop({ learningRate }),
};
