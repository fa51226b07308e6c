/**
 * The op batchOrder computes which samples of a data set form the batch of a training step, from the step counter on the device:
 * the order that gatherBatch takes them in, for data sets whose columns are gathered one by one with gatherRows.
 */
import { type DefinedOp, defineOp, expectSpec, expectTensor, shapeError } from "../../graph/op.ts";
import type { Spec } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { batchOrderKernels } from "../../kernels/data/batch-order.ts";
import { checkOptions } from "../../validation/options.ts";
import { rowOf, type Schedule, type Shards, scheduleConstants } from "./batch-schedule.ts";

export const batchOrderOp: DefinedOp<Schedule> = defineOp({
  name: "batchOrder",
  args: ["step", "key"],
  results: ["samples", "weights"],
  plan([step, key], attrs: Schedule) {
    const constants = scheduleConstants("batchOrder", attrs);
    expectCounter("step", step, 1);
    expectCounter("key", key, 2);
    const shape = [attrs.batchSize];
    return {
      outputs: [
        { shape, dtype: "u32" },
        { shape, dtype: "f32" },
      ],
      constants,
    };
  },
  cpu({ step, key, samples, weights }, constants) {
    for (let b = 0; b < constants.B; b++) {
      const { sample, counts } = rowOf(constants, step[0]!, key, b);
      samples[b] = sample;
      weights[b] = counts ? 1 : 0;
    }
  },
  kernels: batchOrderKernels,
});

function expectCounter(name: string, spec: Spec | undefined, size: number): void {
  if (expectSpec("batchOrder", name, spec, 1, "u32").shape[0] !== size) {
    throw shapeError("batchOrder", `${name} must be u32[${size}]`, spec ? [spec] : []);
  }
}

export interface BatchOrderOptions {
  /** Samples in the data set. */
  readonly count: number;
  readonly batchSize: number;
  /** u32 [2]: shuffles, with a new order in every epoch. Default: the order of the data. */
  readonly shuffleKey?: Tensor;
  /** Default: the whole data set is on the device. */
  readonly shards?: Shards;
}

export interface BatchOrder {
  /** u32 [batchSize]; rows after the epoch's last sample repeat its first ones. */
  readonly samples: Tensor;
  /** f32 [batchSize]: 1 for a sample, 0 for a row after the epoch's last. */
  readonly weights: Tensor;
}

/**
 * The samples of step `step[0]`, those of `gatherBatch` with the same options. `step`: u32 `[1]`. With `shards`, samples are
 * counted over the slots that are on the device. Throws ShapeError.
 */
export function batchOrder(step: Tensor, options: BatchOrderOptions): BatchOrder {
  expectTensor("batchOrder", "step", step);
  const { count, batchSize, shuffleKey, shards } = checkOptions("batchOrder", options, {
    count: "number",
    batchSize: "number",
    shuffleKey: "tensor",
    shards: "object",
  });
  const key = shuffleKey ?? constant(new Uint32Array(2), [2], "no key");
  const shuffle = shuffleKey !== undefined;
  const made = batchOrderOp.apply([step, key], { count, batchSize, shuffle, shards });
  const [samples, weights] = made as [Tensor, Tensor];
  return { samples, weights };
}
