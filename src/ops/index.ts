/** The graph functions of every op, one line each: `import { ops } from "weft"`. */

export { sampleOrder } from "../permutation.ts";
export { accumulateUpdate } from "./accumulate.ts";
export { relu, sigmoid, tanh } from "./activation.ts";
export {
  elu,
  type GeluOptions,
  gelu,
  hardSigmoid,
  hardtanh,
  identity,
  leakyRelu,
  mish,
  prelu,
  type SoftplusOptions,
  selu,
  silu,
  softplus,
} from "./activations.ts";
export { adagradUpdate } from "./adagrad.ts";
export { adamUpdate } from "./adam.ts";
export { type AffineSampleOptions, affineSample } from "./affine-sample.ts";
export { argmax, argmin } from "./argmax.ts";
export { add, div, mul, neg, square, sub } from "./arithmetic.ts";
export { type AttentionOptions, einsum, outer, scaledDotProductAttention } from "./attention.ts";
export { averageUpdate } from "./average.ts";
export {
  type ClassLoss,
  type CrossEntropyOptions,
  type MultiMarginOptions,
  multiMargin,
  type NllOptions,
} from "./class-loss.ts";
export { eq, ge, gt, le, lt, maximum, minimum, ne, where } from "./compare.ts";
export { concat, split, stack } from "./concat.ts";
export {
  type Conv1dOptions,
  type ConvOptions,
  type ConvTranspose2dOptions,
  conv1d,
  conv2d,
  convTranspose2d,
} from "./convolutions.ts";
export { copy, expand } from "./copy.ts";
export { crossEntropy, nll } from "./cross-entropy.ts";
export { cumsum } from "./cumsum.ts";
export { detach } from "./detach.ts";
export { type AffineRange, drawAffine } from "./draw-affine.ts";
export {
  type HingeOptions,
  type HuberOptions,
  hinge,
  huber,
  type KlDivOptions,
  klDiv,
  l1,
  type SmoothL1Options,
  smoothL1,
} from "./element-losses.ts";
export { fill, ones, zeros } from "./fill.ts";
export { embedding, gather, oneHot, scatterAdd, take } from "./gather.ts";
export { gatherBatch } from "./gather-batch.ts";
export { stepsPerEpoch } from "./gather-counts.ts";
export { increment } from "./increment.ts";
export { linear } from "./linear.ts";
export { lionUpdate } from "./lion.ts";
export type { LossOptions, Reduction } from "./loss-reduction.ts";
export { type BceWithLogitsOptions, bce, bceWithLogits, mse } from "./losses.ts";
export {
  abs,
  ceil,
  clamp,
  cos,
  erf,
  exp,
  expm1,
  floor,
  log,
  log1p,
  pow,
  round,
  rsqrt,
  sign,
  sin,
  sqrt,
} from "./math.ts";
export { matmul } from "./matmul.ts";
export { type NormOptions, norm } from "./norm.ts";
export {
  type BatchNormResult,
  batchNorm,
  batchNormWith,
  groupNorm,
  layerNorm,
  type NormalizeOptions,
  rmsNorm,
} from "./normalize.ts";
export { pack } from "./pack.ts";
export { type PadOptions, pad } from "./pad.ts";
export { avgPool2d, maxPool2d, maxPool2dWithIndices } from "./pool.ts";
export { bernoulli, choice, dropout, dropout2d, normal, RandomSource, uniform } from "./random.ts";
export { record, recordedSteps } from "./record.ts";
export { logSumExp, max, min, prod, std, type VarianceOptions, variance } from "./reduce.ts";
export { expandDims, flatten, reshape, squeeze } from "./reshape.ts";
export {
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  globalAvgPool2d,
  globalMaxPool2d,
  type UpsampleOptions,
  upsample,
} from "./resize.ts";
export { rmspropUpdate } from "./rmsprop.ts";
export { updateRunningStats } from "./running-stats.ts";
export { type RateFormula, scheduledRate } from "./schedule.ts";
export { sgdUpdate } from "./sgd.ts";
export { flip, slice } from "./slice.ts";
export { logSoftmax, softmax } from "./softmax.ts";
export { mean, sum } from "./sum.ts";
export { repeat, tile } from "./tile.ts";
export { permute, transpose } from "./transpose.ts";
export { tril, triu } from "./triangle.ts";
