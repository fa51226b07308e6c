/** `import { ops } from "weft"`: every op, and the graph functions that optimizers and the Trainer are made of. */
export * from "./ops/index.ts";
export { accumulateUpdate } from "./optim/updates/accumulate.ts";
export { adagradUpdate } from "./optim/updates/adagrad.ts";
export { adamUpdate } from "./optim/updates/adam.ts";
export { averageUpdate } from "./optim/updates/average.ts";
export { lionUpdate } from "./optim/updates/lion.ts";
export { rmspropUpdate } from "./optim/updates/rmsprop.ts";
export { type RateFormula, scheduledRate } from "./optim/updates/schedule.ts";
export { sgdUpdate } from "./optim/updates/sgd.ts";
