/**
 * A data set that goes through the device in shards. Two of them have room there: while one is trained on, the next is
 * read, and written piece by piece between submits. What is there follows from the step counter and the key alone, so a
 * run that is resumed, or whose device was lost, sees the same samples in the same batches.
 */
import type { Backend } from "../backend.ts";
import { packBytes, sampleSize } from "../data/dataset.ts";
import {
  readPart,
  type Samples,
  type ShardedDataset,
  sampleBytes,
  shardedLabelSize,
} from "../data/sharded.ts";
import { gatherBatch } from "../ops/gather-batch.ts";
import { type Data, input, type Tensor } from "../tensor.ts";
import type { Batch } from "../transforms/transform.ts";
import { type ShardLayout, samplesOf, shardLayout, turnOf } from "./shard-order.ts";

/** Most bytes that a data set which is not wholly there takes on the device. */
export const RESIDENT_BYTES = 128 * 2 ** 20;
/** Words that are written between two submits, so that a page does not stall. */
const PIECE = 2 ** 20;

type Key = readonly [number, number];

export class StreamedData {
  readonly layout: ShardLayout;
  readonly #inputs: Tensor;
  readonly #targets: Tensor;

  /** `most`: bytes on the device in all; `mostEach`: of one tensor. Throws DeviceError where that is too little. */
  constructor(
    readonly dataset: ShardedDataset,
    readonly batchSize: number,
    most: number,
    mostEach: number,
  ) {
    const { name, split, count, classes, inputs } = dataset;
    this.layout = shardLayout(`${name}/${split}`, count, batchSize, sampleBytes(dataset), most, mostEach);
    const there = this.layout.size * this.layout.slots;
    const values = there * sampleSize(inputs.shape);
    const words = inputs.bytes ? Math.ceil(values / 4) : values;
    this.#inputs = input([words], inputs.bytes ? "u32" : "f32", `${name}/${split} inputs`);
    const labels = there * shardedLabelSize(dataset);
    this.#targets = input([labels], classes === undefined ? "f32" : "i32", `${name}/${split} labels`);
  }

  get stepsPerEpoch(): number {
    return this.layout.stepsPerEpoch;
  }

  /** The batch that `step` points at; shuffled anew every epoch if `key` is given. */
  batch(step: Tensor, key: Tensor | undefined): Batch {
    const { inputs, count, labelShape, classes } = this.dataset;
    const { size, slots } = this.layout;
    const { x, targets, weights } = gatherBatch(this.#inputs, this.#targets, step, {
      count,
      batchSize: this.batchSize,
      shape: inputs.shape,
      scale: inputs.scale ?? 1,
      offset: inputs.offset ?? 0,
      shards: { size, slots },
      ...(classes === undefined ? { targetShape: labelShape ?? [1] } : {}),
      ...(key === undefined ? {} : { shuffleKey: key }),
    });
    return { x, target: targets, weights, ...(classes === undefined ? {} : { classes }) };
  }

  /** What keeps the slots filled on `backend`. `key`: reads the key of the order; none for the order of the data. */
  feed(backend: Backend, key: (() => Promise<Key>) | undefined): ShardFeed {
    return new ShardFeed(this, backend, [this.#inputs, this.#targets], key);
  }
}

/** A shard on its way: read, or being read, and written so far. */
interface Coming {
  readonly turn: number;
  readonly read: Promise<readonly [Data, Data]>;
  parts: readonly [Data, Data] | undefined;
  /** Words of each that have been written. */
  readonly written: [number, number];
}

export class ShardFeed {
  /** The turn whose shard each slot holds. */
  readonly #there: (number | undefined)[];
  #coming: Coming | undefined;
  #key: Key | undefined;

  constructor(
    readonly data: StreamedData,
    readonly backend: Backend,
    readonly leaves: readonly [Tensor, Tensor],
    readonly readKey: (() => Promise<Key>) | undefined,
  ) {
    this.#there = new Array<number | undefined>(data.layout.slots).fill(undefined);
  }

  /**
   * For one run of steps: to be awaited before each submit, resolves when the shard of `step` is on the device, with the
   * number of steps from there on that it serves. Rejects with what reading rejects with.
   */
  begin(): (step: number) => Promise<number> {
    let keyKnown: Promise<void> | undefined;
    return async (step) => {
      keyKnown ??= this.#refreshKey();
      await keyKnown;
      return this.#ready(step);
    };
  }

  /** A run may have been restored with another key meanwhile. */
  async #refreshKey(): Promise<void> {
    const key = await this.readKey?.();
    if (key?.join() === this.#key?.join()) return;
    this.#key = key;
    this.#there.fill(undefined);
    this.#coming = undefined;
  }

  async #ready(step: number): Promise<number> {
    const { layout } = this.data;
    const { turn, left } = turnOf(step, layout);
    if (layout.slots === 1) {
      // All there is serves every turn.
      if (this.#there[0] === undefined) await this.#bring(0);
      return left;
    }
    if (this.#there[turn % 2] !== turn) await this.#bring(turn);
    const next = turn + 1;
    // In the order of the data, an evaluation, the first shard is not asked for again at once.
    if (this.readKey === undefined && next % layout.shards === 0) return left;
    // The next shard takes the place of the one before this, all of whose steps have been submitted.
    if (this.#there[next % 2] !== next) {
      const coming = this.#start(next);
      if (coming.parts !== undefined) this.#write(coming, PIECE);
    }
    return left;
  }

  async #bring(turn: number): Promise<void> {
    const coming = this.#start(turn);
    try {
      coming.parts = await coming.read;
    } catch (error) {
      this.#coming = undefined;
      throw error;
    }
    this.#write(coming, Number.POSITIVE_INFINITY);
  }

  /** The shard of a turn on its way, from now on if it is not yet. */
  #start(turn: number): Coming {
    if (this.#coming?.turn === turn) return this.#coming;
    const coming: Coming = { turn, read: this.#read(turn), parts: undefined, written: [0, 0] };
    // A failure is thrown where the shard is needed; until then it must not count as unhandled.
    coming.read.then(
      (parts) => {
        coming.parts = parts;
      },
      () => undefined,
    );
    this.#coming = coming;
    return coming;
  }

  async #read(turn: number): Promise<readonly [Data, Data]> {
    const { dataset, layout } = this.data;
    const [start, count] = samplesOf(turn, layout, this.#key);
    const first = Math.min(count, dataset.count - start);
    const parts = [await readPart(dataset, start, first)];
    if (first < count) parts.push(await readPart(dataset, 0, count - first));
    const { inputs, labels } = joined(parts);
    return [inputs instanceof Uint8Array ? packBytes(inputs) : inputs, labels];
  }

  #write(coming: Coming, most: number): void {
    const slot = coming.turn % this.data.layout.slots;
    this.#there[slot] = undefined;
    const parts = coming.parts as readonly [Data, Data];
    parts.forEach((part, i) => {
      const leaf = this.leaves[i] as Tensor;
      const from = coming.written[i] as number;
      const to = Math.min(part.length, from + most);
      const begin = (slot * leaf.size) / this.data.layout.slots;
      if (to > from) this.backend.write(leaf, part.subarray(from, to), begin + from);
      coming.written[i] = to;
    });
    if (parts.some((part, i) => (coming.written[i] as number) < part.length)) return;
    this.#there[slot] = coming.turn;
    this.#coming = undefined;
  }
}

function joined(parts: readonly Samples[]): Samples {
  const [first, second] = parts as readonly [Samples, Samples | undefined];
  if (second === undefined) return first;
  const length = (of: "inputs" | "labels") => first[of].length + second[of].length;
  const join = <T extends Samples["inputs"] | Samples["labels"]>(whole: T, of: "inputs" | "labels"): T => {
    whole.set(first[of]);
    whole.set(second[of], first[of].length);
    return whole;
  };
  const [bytes, classes] = [first.inputs instanceof Uint8Array, first.labels instanceof Int32Array];
  return {
    inputs: join(bytes ? new Uint8Array(length("inputs")) : new Float32Array(length("inputs")), "inputs"),
    labels: join(classes ? new Int32Array(length("labels")) : new Float32Array(length("labels")), "labels"),
  };
}
