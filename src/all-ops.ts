/** `import { ops } from "weft"`: every op, and the graph functions that optimizers and the Trainer are made of. */
export * from "./ops/index.ts";
export { type RateFormula, scheduledRate } from "./optim/scheduled-rate.ts";
