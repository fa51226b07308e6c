/**
 * Which shard of a data set is trained on at which step, where the data set does not fit on the device. A shard is a run of
 * neighbouring samples in whole batches; the last one may be shorter. Each epoch visits every shard once. The run's key
 * decides where an epoch's first shard starts and in which order shards are visited; the device shuffles within a shard.
 */

import { permuteIndex } from "../../numbers/permutation.ts";
import { threefry2x32 } from "../../numbers/random.ts";
import { DeviceError } from "../../validation/errors.ts";

/** Second half of Threefry's counter for an epoch's start and order; random numbers of steps have keys of their own. */
const START_COUNTER = 0x73686172;
const ORDER_COUNTER = 0x73686173;

export type Key = readonly [number, number];

export interface ShardLayout {
  /** Samples in the data set. */
  readonly count: number;
  /** Samples per shard; the last may have fewer. */
  readonly size: number;
  /** Shards per epoch. */
  readonly shards: number;
  /** Shards on the device at a time: 2, or 1 where the whole data set is one shard. */
  readonly slots: number;
  readonly stepsPerShard: number;
  readonly stepsPerEpoch: number;
}

/**
 * The largest shards of which two fit on the device. `bytes`: of one sample, by column. `maxBytes`: for all columns together;
 * `maxTensorBytes`: for each. `capacity`: samples of a stream, which always has two shards, as it is read anew in every epoch. Throws DeviceError where two shards of the smallest size do not fit.
 */
export function shardLayout(
  name: string,
  count: number,
  batchSize: number,
  bytes: readonly number[],
  maxBytes: number,
  maxTensorBytes: number,
  capacity?: number,
): ShardLayout {
  const bytesPerSample = bytes.reduce((a, b) => a + b);
  const room = Math.min(
    Math.floor(maxBytes / bytesPerSample),
    Math.floor(maxTensorBytes / Math.max(...bytes)),
    capacity ?? Number.POSITIVE_INFINITY,
  );
  const stepsPerEpoch = Math.ceil(count / batchSize);
  if (count <= room && capacity === undefined)
    return { count, size: count, shards: 1, slots: 1, stepsPerShard: stepsPerEpoch, stepsPerEpoch };
  // Every slot holds whole batches and begins at a whole word.
  const unit = batchSize * Math.max(...bytes.map((each) => 4 / evenUpTo4(batchSize * each)));
  const size = Math.min(Math.floor(room / 2 / unit), Math.ceil(count / unit)) * unit;
  if (size === 0) {
    if (capacity !== undefined && capacity < 2 * unit) {
      throw new DeviceError(
        `data set ${name}: a capacity of ${capacity} samples holds no two parts of ${unit}; give a capacity of at least ${2 * unit}, ` +
          "or take smaller batches",
      );
    }
    throw new DeviceError(
      `data set ${name}: two shards of ${unit} samples, ${bytesPerSample} bytes each, don't fit into ` +
        `${Math.min(maxBytes, maxTensorBytes)} bytes; allow more with maxResidentBytes, or take smaller batches`,
    );
  }
  const shards = Math.ceil(count / size);
  return { count, size, shards, slots: 2, stepsPerShard: size / batchSize, stepsPerEpoch };
}

/** The largest of 1, 2 and 4 that divides n. */
const evenUpTo4 = (n: number) => (n % 4 === 0 ? 4 : n % 2 === 0 ? 2 : 1);

/** The shard visit that a step belongs to, counted from 0 over all epochs, and its steps from this one on. */
export function visitOf(
  step: number,
  { shards, stepsPerShard, stepsPerEpoch }: ShardLayout,
): { readonly visit: number; readonly stepsLeft: number } {
  const within = step % stepsPerEpoch;
  const shard = Math.floor(within / stepsPerShard);
  const end = Math.min((shard + 1) * stepsPerShard, stepsPerEpoch);
  return { visit: Math.floor(step / stepsPerEpoch) * shards + shard, stepsLeft: end - within };
}

/**
 * First sample and number of samples of a shard visit; samples after the data set's last are its first ones. Without a key,
 * shards are visited in the order of the data.
 */
export function samplesOf(
  visit: number,
  { count, size, shards }: ShardLayout,
  key: Key | undefined,
): readonly [start: number, count: number] {
  const shard = visit % shards;
  const full = Math.floor(count / size);
  if (key === undefined || shards === 1) return [shard * size, Math.min(size, count - shard * size)];
  const epoch = Math.floor(visit / shards);
  const start = Math.floor((threefry2x32(key[0], key[1], epoch, START_COUNTER)[0] / 2 ** 32) * count);
  const [k0, k1] = threefry2x32(key[0], key[1], epoch, ORDER_COUNTER);
  // A shorter shard stays the last of its epoch.
  const position = shard < full ? permuteIndex(shard, full, k0, k1) : shard;
  return [(start + position * size) % count, shard < full ? size : count - full * size];
}
