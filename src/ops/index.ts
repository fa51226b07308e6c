/** The graph functions of every op, one line each: `import { ops } from "weft"`. */
export { relu, sigmoid, tanh } from "./activation.ts";
export { adamUpdate } from "./adam.ts";
export { add, div, mul, neg, square, sub } from "./arithmetic.ts";
export { conv2d } from "./conv2d.ts";
export { copy, expand } from "./copy.ts";
export { fill, ones, zeros } from "./fill.ts";
export { gatherBatch, sampleOrder, stepsPerEpoch } from "./gather-batch.ts";
export { linear } from "./linear.ts";
export { matmul } from "./matmul.ts";
export { pack } from "./pack.ts";
export { maxPool2d, maxPool2dWithIndices } from "./pool.ts";
export { record, recordedSteps } from "./record.ts";
export { flatten, reshape } from "./reshape.ts";
export { sgdUpdate } from "./sgd.ts";
export { mean, sum } from "./sum.ts";
