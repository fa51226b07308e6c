/** Layers, losses and initialisers: `import { nn } from "weft"`. */
export * from "./activations.ts";
export * from "./attention.ts";
export * from "./blocks.ts";
export * from "./convolution.ts";
export * as init from "./init.ts";
export {
  avgPool2d,
  Conv2d,
  conv2d,
  flatten,
  Linear,
  linear,
  logSoftmax,
  maxPool2d,
  relu,
  sigmoid,
  softmax,
  tanh,
  type WeightOptions,
} from "./layers.ts";
export * from "./loss.ts";
export * from "./mode.ts";
export * from "./module.ts";
export * from "./normalization.ts";
export { type LayerSummary, type ModelSummary, summary, summaryText } from "./summary.ts";
