/** Layers, losses and initialisers: `import { nn } from "weft"`. */
export * from "./activations.ts";
export * from "./attention.ts";
export * from "./blocks.ts";
export * from "./build-mode.ts";
export * from "./convolution.ts";
export {
  type CausalSelfAttention,
  Gpt,
  type GptBlock,
  type GptMlp,
  type GptOptions,
  gpt,
} from "./gpt.ts";
export * as init from "./init.ts";
export { Linear, linear, type WeightOptions } from "./linear.ts";
export { type LoraAdapters, type LoraOptions, lora } from "./lora.ts";
export * from "./loss.ts";
export * from "./module.ts";
export * from "./normalization.ts";
export * from "./pooling.ts";
export * from "./recurrent.ts";
export { type LayerSummary, type ModelSummary, summary, summaryText } from "./summary.ts";
export * from "./swiglu.ts";
