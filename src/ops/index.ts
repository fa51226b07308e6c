/** The graph functions of every op in this folder, one line each. */

export { stepsPerEpoch } from "../geometry/batches.ts";
export { sampleOrder } from "../numbers/permutation.ts";
export {
  type AttentionOptions,
  type SelfAttentionOptions,
  scaledDotProductAttention,
  selfAttention,
} from "./attention/dot-product-attention.ts";
export { type RotaryOptions, rotaryEmbedding } from "./attention/rotary-embedding.ts";
export { type Conv3dOptions, conv3d } from "./conv/conv3d.ts";
export {
  type Conv1dOptions,
  type ConvOptions,
  type ConvTranspose1dOptions,
  type ConvTranspose2dOptions,
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
} from "./conv/convolutions.ts";
export { batchOrder } from "./data/batch-order.ts";
export { gatherBatch } from "./data/gather-batch.ts";
export { gatherRows } from "./data/gather-rows.ts";
export { record, recordedSteps } from "./data/record.ts";
export {
  celu,
  elu,
  type GeluOptions,
  gelu,
  hardSigmoid,
  hardSwish,
  hardtanh,
  identity,
  leakyRelu,
  logSigmoid,
  mish,
  prelu,
  relu6,
  type SoftplusOptions,
  selu,
  silu,
  softplus,
  softsign,
  threshold,
} from "./elementwise/activations.ts";
export { add, div, mul, neg, square, sub } from "./elementwise/arithmetic.ts";
export { cast } from "./elementwise/cast.ts";
export { eq, ge, gt, le, lt, maximum, minimum, ne, where } from "./elementwise/compare.ts";
export { copy } from "./elementwise/copy.ts";
export { customGradient } from "./elementwise/custom-gradient.ts";
export { detach, stopGradient } from "./elementwise/detach.ts";
export { fill, ones, zeros } from "./elementwise/fill.ts";
export { logicalAnd, logicalNot, logicalOr, logicalXor } from "./elementwise/logical.ts";
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
} from "./elementwise/math.ts";
export { relu, sigmoid, tanh } from "./elementwise/relu-sigmoid-tanh.ts";
export { swiglu } from "./elementwise/swiglu.ts";
export { type AffineSampleOptions, affineSample } from "./index/affine-sample.ts";
export { type EmbeddingOptions, embedding, gather, oneHot, scatterAdd, take } from "./index/gather.ts";
export { einsum, outer } from "./linalg/einsum.ts";
export { linear } from "./linalg/linear.ts";
export { matmul } from "./linalg/matmul.ts";
export { type DiceOptions, dice, type SigmoidFocalOptions, sigmoidFocal } from "./loss/binary-mask-losses.ts";
export {
  type ClassLoss,
  type CrossEntropyOptions,
  type FocalOptions,
  focal,
  type MultiMarginOptions,
  multiMargin,
  type NllOptions,
} from "./loss/class-loss.ts";
export { crossEntropy, nll } from "./loss/cross-entropy.ts";
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
} from "./loss/element-losses.ts";
export {
  type GaussianNllOptions,
  gaussianNll,
  type PoissonNllOptions,
  poissonNll,
} from "./loss/likelihood-losses.ts";
export type { LossOptions, Reduction } from "./loss/loss-reduction.ts";
export { type BceWithLogitsOptions, bce, bceWithLogits, mse } from "./loss/mean-losses.ts";
export {
  type ContrastiveOptions,
  type CosineEmbeddingOptions,
  contrastive,
  cosineEmbedding,
  type TripletMarginOptions,
  tripletMargin,
} from "./loss/similarity-losses.ts";
export { type LocalResponseNormOptions, localResponseNorm } from "./norm/local-response-norm.ts";
export {
  type BatchNormResult,
  batchNorm,
  batchNormWith,
  groupNorm,
  instanceNorm,
  type LayerNormResult,
  layerNorm,
  layerNormWithStatistics,
  type NormalizeOptions,
  rmsNorm,
} from "./norm/normalize.ts";
export { updateRunningStats } from "./norm/running-stats.ts";
export { avgPool2d, maxPool2d, maxPool2dWithIndices } from "./pool/pool.ts";
export {
  type AvgPool1dOptions,
  adaptiveAvgPool1d,
  adaptiveMaxPool1d,
  avgPool1d,
  globalAvgPool1d,
  globalMaxPool1d,
  type MaxPool1dOptions,
  maxPool1d,
} from "./pool/pool1d.ts";
export {
  type AvgPool3dOptions,
  avgPool3d,
  globalAvgPool3d,
  type MaxPool3dOptions,
  maxPool3d,
} from "./pool/pool3d.ts";
export {
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  globalAvgPool2d,
  globalMaxPool2d,
  type UpsampleOptions,
  upsample,
} from "./pool/resize.ts";
export { type AffineRange, drawAffine } from "./random/draw-affine.ts";
export { bernoulli, choice, dropout, dropout2d, normal, RandomSource, uniform } from "./random/random.ts";
export {
  type RecurrenceOptions,
  type RecurrenceResult,
  type RecurrentWeights,
  recurrence,
} from "./recurrent/recurrence.ts";
export { type ArgmaxOptions, argmax, argmin } from "./reduce/argmax.ts";
export { cumsum } from "./reduce/cumsum.ts";
export { type NormOptions, norm } from "./reduce/norm.ts";
export { logSumExp, max, min, prod, std, type VarianceOptions, variance } from "./reduce/reduce.ts";
export { logSoftmax, softmax } from "./reduce/softmax.ts";
export { argsort, type Sorted, type SortOptions, sort, type TopKOptions, topK } from "./reduce/sort.ts";
export { expand, mean, sum } from "./reduce/sum.ts";
export { concat, split, stack } from "./shape/concat.ts";
export { pack } from "./shape/pack.ts";
export { type PadOptions, pad } from "./shape/pad.ts";
export { expandDims, flatten, reshape, squeeze } from "./shape/reshape.ts";
export { flip, slice } from "./shape/slice.ts";
export { repeat, tile } from "./shape/tile.ts";
export { permute, transpose } from "./shape/transpose.ts";
export { tril, triu } from "./shape/triangle.ts";
export { assign, assignAdd } from "./state/assign.ts";
export { increment } from "./state/increment.ts";
