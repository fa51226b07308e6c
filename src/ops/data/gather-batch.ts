/**
 * The op gatherBatch forms the batch of a training step on the device: it picks samples of a data set that was uploaded
 * before, in an order that is shuffled anew in every epoch, and scales them. It reads the step counter on the device, so
 * that nothing is uploaded per step. Each epoch has every sample once. The last, partial batch is filled up with samples of
 * weight 0, so that statistics over a batch (batch norm's) are of real samples. Of a data set that does not fit on the device
 * some shards are there, each in a slot; samples are then shuffled within a shard.
 */

import {
  type DefinedOp,
  defineOp,
  expectArray,
  expectSpec,
  expectTensor,
  shapeError,
} from "../../graph/op.ts";
import { checkShape, type Shape, type Spec, sizeOf } from "../../graph/spec.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { GATHER_BATCH_VARIANTS, gatherBatchKernels } from "../../kernels/data/gather-batch.ts";
import { ShapeError } from "../../validation/errors.ts";
import { checkOptions } from "../../validation/options.ts";
import { rowOf, type Schedule, type Shards, scheduleConstants } from "./batch-schedule.ts";

interface Attrs extends Schedule {
  readonly shape: Shape;
  readonly targetShape: Shape;
  readonly scale: number;
  readonly offset: number;
}

export const gatherBatchOp: DefinedOp<Attrs> = defineOp({
  name: "gatherBatch",
  args: ["inputs", "targets", "step", "key", "channels"],
  results: ["x", "y", "weights"],
  variants: GATHER_BATCH_VARIANTS,
  plan([inputs, targets, step, key, channels], attrs: Attrs) {
    const { shape, targetShape, batchSize, scale, offset } = attrs;
    checkShape("gatherBatch: sample", shape);
    checkShape("gatherBatch: target", targetShape);
    const SIZE = sizeOf(shape);
    const FLOATS = inputs?.dtype === "f32";
    const WHOLE = inputs?.dtype === "i32";
    const schedule = scheduleConstants("gatherBatch", attrs);
    const samples = schedule.SLOTS * schedule.SHARD;
    const held = FLOATS || WHOLE ? samples * SIZE : Math.ceil((samples * SIZE) / 4);
    expectData("inputs", inputs, WHOLE ? "i32" : FLOATS ? "f32" : "u32", held);
    const dtype = targets?.dtype === "f32" ? "f32" : "i32";
    expectData("targets", targets, dtype, samples * sizeOf(targetShape));
    expectData("step", step, "u32", 1);
    expectData("key", key, "u32", 2);
    const CHANNELS = channels === undefined ? 1 : channels.shape[1]!;
    if (channels !== undefined) expectSpec("gatherBatch", "channels", channels, 2);
    if (channels !== undefined && (channels.shape[0] !== 2 || CHANNELS !== shape[0])) {
      throw shapeError(
        "gatherBatch",
        `channels must be [2, ${shape[0]}] one scale and offset per channel of the samples`,
        [channels],
      );
    }
    for (const value of [scale, offset]) {
      if (!Number.isFinite(value)) {
        throw new ShapeError(`gatherBatch: scale and offset must be finite, got ${scale} and ${offset}`);
      }
    }
    if (WHOLE && (scale !== 1 || offset !== 0 || channels !== undefined))
      throw new ShapeError(
        `gatherBatch: i32 inputs can't be scaled, got scale ${scale} and offset ${offset}`,
      );
    return {
      outputs: [
        { shape: [batchSize, ...shape], dtype: WHOLE ? "i32" : "f32" },
        { shape: [batchSize, ...targetShape], dtype },
        { shape: [batchSize], dtype: "f32" },
      ],
      constants: {
        ...schedule,
        SIZE,
        TARGET: sizeOf(targetShape),
        FLOATS,
        WHOLE,
        CHANNELS,
        PLANE: SIZE / CHANNELS,
        scale,
        offset,
      },
    };
  },
  cpu({ inputs, targets, step, key, channels, x, y, weights }, constants) {
    const { SIZE, TARGET, B, FLOATS, WHOLE, CHANNELS, PLANE, scale, offset } = constants;
    for (let b = 0; b < B; b++) {
      const { sample, counts } = rowOf(constants, step[0]!, key, b);
      weights[b] = counts ? 1 : 0;
      for (let j = 0; j < TARGET; j++) y[b * TARGET + j] = targets[sample * TARGET + j]!;
      for (let j = 0; j < SIZE; j++) {
        const at = sample * SIZE + j;
        const value = FLOATS || WHOLE ? inputs[at]! : (inputs[at >>> 2]! >>> (8 * (at & 3))) & 255;
        const c = Math.floor(j / PLANE);
        x[b * SIZE + j] =
          CHANNELS === 1 ? value * scale + offset : value * channels[c]! + channels[CHANNELS + c]!;
      }
    }
  },
  kernels: gatherBatchKernels,
});

function expectData(name: string, spec: Spec | undefined, dtype: string, size: number): void {
  expectSpec("gatherBatch", name, spec, 1, dtype);
  if (spec !== undefined && spec.shape[0] !== size) {
    throw shapeError("gatherBatch", `${name} must hold ${size} values`, [spec]);
  }
}

export interface GatherOptions {
  /** Samples in the data set. */
  readonly count: number;
  /** Shape of one sample. */
  readonly shape: Shape;
  /** Shape of one sample's targets; default [], one number. */
  readonly targetShape?: Shape;
  readonly batchSize: number;
  /** u32 [2]: shuffles, with a new order in every epoch. Default: the order of the data. */
  readonly shuffleKey?: Tensor;
  /** x = input * scale + offset: a number, or one per channel (first axis of `shape`). Default 1/255 for bytes, else 1. */
  readonly scale?: number | readonly number[];
  /** Default 0. */
  readonly offset?: number | readonly number[];
  /** Default: the whole data set is on the device. */
  readonly shards?: Shards;
}

export interface GatheredBatch {
  /** f32 `[batchSize, …shape]`, i32 where the inputs are; rows after the epoch's last sample repeat its first ones. */
  readonly x: Tensor;
  /** `[batchSize, …targetShape]`, i32 or f32 as the targets are, of the samples in x. */
  readonly targets: Tensor;
  /** f32 `[batchSize]`: 1 for a sample, 0 for a row after the epoch's last. */
  readonly weights: Tensor;
}

/**
 * The batch of step `step[0]`: the samples from position `(step % stepsPerEpoch) * batchSize` on in the order of epoch
 * `floor(step / stepsPerEpoch)`.
 *
 * `inputs`: u32 `[ceil(count * size / 4)]`, bytes four to a word with the first one lowest, f32 or i32 `[count * size]`; i32
 * are not scaled. `targets`: i32 or f32 `[count * targetSize]`. `step`: u32 `[1]`. With `shards`, both hold `slots * size` samples, and the
 * caller decides which samples are written to a slot. Throws ShapeError.
 */
export function gatherBatch(
  inputs: Tensor,
  targets: Tensor,
  step: Tensor,
  options: GatherOptions,
): GatheredBatch {
  expectTensor("gatherBatch", "inputs", inputs);
  expectTensor("gatherBatch", "targets", targets);
  expectTensor("gatherBatch", "step", step);
  const given = checkOptions("gatherBatch", options, {
    count: "number",
    shape: "array",
    targetShape: "array",
    batchSize: "number",
    shuffleKey: "tensor",
    scale: "numbers",
    offset: "numbers",
    shards: "object",
  });
  const { count, shape, batchSize, shuffleKey } = given;
  expectArray("gatherBatch", "shape", shape);
  const scale = given.scale ?? (inputs.dtype === "u32" ? 1 / 255 : 1);
  const offset = given.offset ?? 0;
  const leaves = [inputs, targets, step, shuffleKey ?? constant(new Uint32Array(2), [2], "no key")];
  const single = typeof scale === "number" && typeof offset === "number";
  if (!single) leaves.push(channelsOf(shape, scale, offset));
  const [x, y, weights] = gatherBatchOp.apply(leaves, {
    count,
    shape,
    targetShape: given.targetShape ?? [],
    batchSize,
    shuffle: shuffleKey !== undefined,
    scale: single ? scale : 1,
    offset: single ? offset : 0,
    shards: given.shards,
  }) as [Tensor, Tensor, Tensor];
  return { x, targets: y, weights };
}

/** Scales, then offsets, of each channel: `[2, C]`. */
function channelsOf(
  shape: Shape,
  scale: number | readonly number[],
  offset: number | readonly number[],
): Tensor {
  const C = shape[0] ?? 1;
  const values = [scale, offset].flatMap((v) => (typeof v === "number" ? new Array<number>(C).fill(v) : v));
  const wrong = [scale, offset].find((v) => typeof v !== "number" && v.length !== C);
  if (wrong !== undefined || !values.every(Number.isFinite)) {
    throw new ShapeError(
      `gatherBatch: scale and offset must hold ${C} finite numbers, one per channel, got [${scale}] and [${offset}]`,
    );
  }
  return constant(Float32Array.from(values), [2, C], "channels");
}
