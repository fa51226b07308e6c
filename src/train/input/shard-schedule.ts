/**
 * Which samples belong to which turn when a data set goes through the device in shards. Shards are runs of neighbouring
 * samples, whole batches each but for the last. Every epoch cuts the data at another place and takes the shards in another
 * order, both by the run's key; the device shuffles within a shard. So every sample comes exactly once per epoch.
 */
import { DeviceError } from "../../common/errors.ts";
import { permuteIndex } from "../../common/permutation.ts";
import { threefry2x32 } from "../../common/random.ts";

/** What random words of a key are for, as the second half of Threefry's counter; steps have their own keys. */
const CUT = 0x73686172;
const ORDER = 0x73686173;

export interface ShardLayout {
  /** Samples in the data set. */
  readonly count: number;
  /** Samples per shard; the last may have fewer. */
  readonly size: number;
  readonly shards: number;
  /** Shards that are on the device at a time: 2, or 1 for all there is. */
  readonly slots: number;
  readonly stepsPerShard: number;
  readonly stepsPerEpoch: number;
}

export interface Turn {
  /** From 0, over all epochs. */
  readonly turn: number;
  /** Steps of this turn from the one asked for on. */
  readonly left: number;
}

/**
 * The largest shards of which two fit: `bytes` per sample for inputs and labels, within `most` in all and `mostEach` for
 * each of them. Throws DeviceError where not even batches fit.
 */
export function shardLayout(
  name: string,
  count: number,
  batchSize: number,
  bytes: readonly [inputs: number, labels: number],
  most: number,
  mostEach: number,
): ShardLayout {
  const samples = Math.min(
    Math.floor(most / (bytes[0] + bytes[1])),
    Math.floor(mostEach / Math.max(...bytes)),
  );
  const stepsPerEpoch = Math.ceil(count / batchSize);
  if (count <= samples) {
    return { count, size: count, shards: 1, slots: 1, stepsPerShard: stepsPerEpoch, stepsPerEpoch };
  }
  // So that every slot begins at a whole word, and holds whole batches.
  const words = (batchSize * bytes[0]) % 4 === 0 ? 1 : (batchSize * bytes[0]) % 2 === 0 ? 2 : 4;
  const unit = batchSize * words;
  const size = Math.floor(samples / 2 / unit) * unit;
  if (size === 0) {
    throw new DeviceError(
      `data set ${name}: two shards of ${unit} samples, ${bytes[0] + bytes[1]} bytes each, don't fit into ${Math.min(most, mostEach)} bytes`,
    );
  }
  const shards = Math.ceil(count / size);
  return { count, size, shards, slots: 2, stepsPerShard: size / batchSize, stepsPerEpoch };
}

/** The turn that a step belongs to. */
export function turnOf(step: number, { shards, stepsPerShard, stepsPerEpoch }: ShardLayout): Turn {
  const within = step % stepsPerEpoch;
  const shard = Math.floor(within / stepsPerShard);
  const end = Math.min((shard + 1) * stepsPerShard, stepsPerEpoch);
  return { turn: Math.floor(step / stepsPerEpoch) * shards + shard, left: end - within };
}

/** First sample and number of samples of a turn; they go on at the data's begin where they pass its end. */
export function samplesOf(
  turn: number,
  { count, size, shards }: ShardLayout,
  key: readonly [number, number] | undefined,
): readonly [start: number, count: number] {
  const shard = turn % shards;
  const full = Math.floor(count / size);
  if (key === undefined || shards === 1) return [shard * size, Math.min(size, count - shard * size)];
  const epoch = Math.floor(turn / shards);
  const cut = Math.floor((threefry2x32(key[0], key[1], epoch, CUT)[0] / 2 ** 32) * count);
  const [k0, k1] = threefry2x32(key[0], key[1], epoch, ORDER);
  // The shorter one is always the last.
  const place = shard < full ? permuteIndex(shard, full, k0, k1) : shard;
  return [(cut + place * size) % count, shard < full ? size : count - full * size];
}
