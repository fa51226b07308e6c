/** Optimizers: `import { optim } from "weft"`. */
export { type AdamOptions, adam, adamw } from "./adam.ts";
export type { ClipOptions } from "./clip.ts";
export type { Optimizer, OptimizerStates } from "./optimizer.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
