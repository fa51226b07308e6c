/**
 * The model of the 5x5 example that one of the reports computes by hand: one picture, one filter, two hidden units, two
 * outputs, no biases.
 */
import type { Dataset } from "../data/dataset.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import type { Module } from "../nn/module.ts";
import { conv2d } from "../ops/conv/conv2d.ts";
import { sigmoid } from "../ops/elementwise/relu-sigmoid-tanh.ts";
import { linear } from "../ops/linalg/linear.ts";
import { maxPool2d } from "../ops/pool/pool.ts";
import { reshape } from "../ops/shape/reshape.ts";

/** In hundredths, so that both float32 and float64 get the number nearest to 0.51 and so on. */
const PICTURE = Uint8Array.of(
  ...[51, 90, 88, 84, 5],
  ...[40, 62, 22, 59, 10],
  ...[11, 20, 74, 33, 14],
  ...[47, 1, 85, 70, 9],
  ...[76, 19, 72, 17, 57],
);

/** The first sixteen normal numbers of NumPy with seed 0. */
const KERNEL = [1.764052345967664, 0.4001572083672233, 0.9787379841057392, 2.240893199201458];
const HIDDEN = [
  ...[1.8675579901499675, -0.977277879876411, 0.9500884175255894, -0.1513572082976979],
  ...[-0.10321885179355784, 0.41059850193837233, 0.144043571160878, 1.454273506962975],
];
const OUTPUT = [0.7610377251469934, 0.12167501649282841, 0.44386323274542566, 0.33367432737426683];

/** The network's values for a picture, in the order in which they are computed. */
export interface WorkedValues {
  readonly featureMap: Tensor;
  readonly pooled: Tensor;
  readonly sigmoidOfPooled: Tensor;
  readonly hiddenNet: Tensor;
  readonly hidden: Tensor;
  readonly outputNet: Tensor;
  readonly output: Tensor;
}

/** Convolution 2x2 > max-pool 2 > sigmoid > 4-2 sigmoid > 2-2 sigmoid; 16 weights. */
export class WorkedExample implements Module {
  readonly kind = "WorkedExample";
  readonly kernel = parameter([1, 1, 2, 2], Float64Array.from(KERNEL), "kernel");
  readonly hidden = parameter([2, 4], Float64Array.from(HIDDEN), "hidden");
  readonly output = parameter([2, 2], Float64Array.from(OUTPUT), "output");

  /** x: [N, 1, 5, 5]. */
  values(x: Tensor): WorkedValues {
    const featureMap = conv2d(x, this.kernel);
    const pooled = maxPool2d(featureMap, 2);
    const sigmoidOfPooled = sigmoid(pooled);
    const hiddenNet = linear(reshape(sigmoidOfPooled, [x.shape[0] as number, 4]), this.hidden);
    const hidden = sigmoid(hiddenNet);
    const outputNet = linear(hidden, this.output);
    return { featureMap, pooled, sigmoidOfPooled, hiddenNet, hidden, outputNet, output: sigmoid(outputNet) };
  }

  forward(x: Tensor): Tensor {
    return this.values(x).output;
  }
}

/** A data set of one picture with the targets 0 and 1. */
export function workedPicture(): Dataset {
  return {
    name: "worked-example",
    split: "train",
    count: 1,
    inputs: { data: PICTURE, shape: [1, 5, 5], scale: 1 / 100 },
    labels: Float32Array.of(0, 1),
    labelShape: [2],
  };
}
