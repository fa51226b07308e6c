/** Which sample of a data set is in which row of the batch of a step: constants and checks of the ops that form batches. */
import { countConstants, stepsPerEpoch } from "../../geometry/batches.ts";
import { expectWhole } from "../../graph/op.ts";
import { sampleOrder } from "../../numbers/permutation.ts";
import { ShapeError } from "../../validation/errors.ts";

/** How a data set is cut into shards, of which some are on the device at a time. */
export interface Shards {
  /** Samples per shard, a multiple of the batch size; the last shard may have fewer. */
  readonly size: number;
  /** Shards on the device: that of visit v, counted over all epochs, is in slot v % slots. */
  readonly slots: number;
}

export interface Schedule {
  /** Samples in the data set. */
  readonly count: number;
  readonly batchSize: number;
  readonly shuffle: boolean;
  /** Undefined where the whole data set is on the device. */
  readonly shards: Shards | undefined;
}

/** Constants of the kernels, and of `rowOf`. Throws ShapeError where shards do not hold whole batches. */
export function scheduleConstants(op: string, { count, batchSize, shuffle, shards }: Schedule) {
  expectWhole(op, "count", count, 1);
  expectWhole(op, "batchSize", batchSize, 1);
  const whole = countConstants(count, batchSize);
  const { size: SHARD, slots: SLOTS } = shards ?? { size: whole.SHARD, slots: whole.SLOTS };
  expectWhole(op, "slots", SLOTS, 1);
  expectWhole(op, "shard size", SHARD, 1);
  if (SHARD < count && SHARD % batchSize !== 0) {
    throw new ShapeError(
      `${op}: shards must hold whole batches of ${batchSize}, got shards of ${SHARD} samples`,
    );
  }
  return {
    ...whole,
    B: batchSize,
    SHARD,
    SHARDS: Math.ceil(count / SHARD),
    PER: stepsPerEpoch(SHARD, batchSize),
    SLOTS,
    shuffle,
  };
}

/** The sample in row b of the batch of `step`, and whether it counts: rows after an epoch's last sample repeat others. */
export function rowOf(
  { COUNT, B, STEPS, SHARD, SHARDS, PER, SLOTS, shuffle }: ReturnType<typeof scheduleConstants>,
  step: number,
  key: ArrayLike<number>,
  b: number,
): { readonly sample: number; readonly counts: boolean } {
  const within = step % STEPS;
  const shard = Math.floor(within / PER);
  const visit = Math.floor(step / STEPS) * SHARDS + shard;
  const size = shard === SHARDS - 1 ? COUNT - shard * SHARD : SHARD;
  const position = (within % PER) * B + b;
  const inShard = position % size;
  const ordered = shuffle ? sampleOrder(inShard, size, visit, [key[0]!, key[1]!]) : inShard;
  return { sample: (visit % SLOTS) * SHARD + ordered, counts: position < size };
}
