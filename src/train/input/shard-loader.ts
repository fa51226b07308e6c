/**
 * A data set that goes through the device in shards, or is read to it. Two shards have room there: while one is trained on,
 * the next is read and written piece by piece between submits. What is there follows from the step counter and the key alone, so a
 * run that is resumed, or whose device was lost, sees the same samples in the same batches.
 */

import { packBytes, sampleSize } from "../../data/dataset.ts";
import {
  readPart,
  type Samples,
  type ShardedDataset,
  sampleBytes,
  shardedLabelSize,
} from "../../data/sharded.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import type { Backend } from "../../runtime/backend.ts";
import type { Batch } from "../../transforms/transform.ts";
import { gatherBatch } from "./gather-batch.ts";
import { type ShardLayout, samplesOf, shardLayout, turnOf } from "./shard-schedule.ts";

/** Most bytes that a data set which is not wholly there takes on the device. */
export const RESIDENT_BYTES = 128 * 2 ** 20;
/** Bytes that are read at a time and written between two submits, so that a page does not stall. */
const PIECE_BYTES = 2 ** 21;

type Key = readonly [number, number];

export class StreamedData {
  readonly layout: ShardLayout;
  /** Samples that are read at a time, bytes of whole words. */
  readonly piece: number;
  readonly #inputs: Tensor;
  readonly #targets: Tensor;

  /**
   * `most`: bytes on the device in all; `mostEach`: of one tensor; `pieceBytes`: that are read at a time; `ignored`: a label
   * that need not be a class. Throws DeviceError where that is too little.
   */
  constructor(
    readonly dataset: ShardedDataset,
    readonly batchSize: number,
    most: number,
    mostEach: number,
    pieceBytes = PIECE_BYTES,
    readonly ignored?: number,
  ) {
    const { name, split, count, classes, inputs } = dataset;
    const bytes = sampleBytes(dataset);
    this.layout = shardLayout(`${name}/${split}`, count, batchSize, bytes, most, mostEach);
    this.piece = 4 * Math.max(1, Math.floor(pieceBytes / Math.max(...bytes) / 4));
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

/** Samples that are being read, and are in `samples` once they have been. */
interface Piece {
  readonly reading: Promise<Samples>;
  samples: Samples | undefined;
}

/** A shard on its way to its slot. */
interface Coming {
  readonly turn: number;
  /** Samples written so far. */
  done: number;
  next: Piece;
}

export class ShardFeed {
  /** The turn whose shard each slot holds. */
  readonly #there: (number | undefined)[];
  #coming: Coming | undefined;
  #key: Key | undefined;
  /** The last piece, whose memory the next may take. */
  #last: Samples | undefined;

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
      if (coming.next.samples !== undefined) this.#write(coming, coming.next.samples);
    }
    return left;
  }

  async #bring(turn: number): Promise<void> {
    const coming = this.#start(turn);
    try {
      while (this.#coming === coming) {
        this.#write(coming, await coming.next.reading);
        // What is on its way lies in memory twice.
        await this.backend.finished?.();
      }
    } catch (error) {
      this.#coming = undefined;
      throw error;
    }
  }

  /** The shard of a turn on its way, from now on if it is not yet. */
  #start(turn: number): Coming {
    if (this.#coming?.turn === turn) return this.#coming;
    this.#coming = { turn, done: 0, next: this.#ask(turn, 0) };
    return this.#coming;
  }

  #ask(turn: number, done: number): Piece {
    const piece: Piece = { reading: this.#read(turn, done), samples: undefined };
    // A failure is thrown where the shard is needed; until then it must not count as unhandled.
    piece.reading.then(
      (samples) => {
        piece.samples = samples;
      },
      () => undefined,
    );
    return piece;
  }

  /** The piece of a turn's shard that follows `done` samples. */
  async #read(turn: number, done: number): Promise<Samples> {
    const { dataset, ignored, layout, piece } = this.data;
    const [start, count] = samplesOf(turn, layout, this.#key);
    const from = (start + done) % dataset.count;
    const wanted = Math.min(piece, count - done);
    const first = Math.min(wanted, dataset.count - from);
    const last = this.#last;
    this.#last = undefined;
    const parts = [await readPart(dataset, from, first, last, ignored)];
    if (first < wanted) parts.push(await readPart(dataset, 0, wanted - first, undefined, ignored));
    return joined(parts);
  }

  /** Writes the piece that has been read, and has the next one read. */
  #write(coming: Coming, piece: Samples): void {
    const { dataset, layout } = this.data;
    const { turn, done } = coming;
    const slot = turn % layout.slots;
    this.#there[slot] = undefined;
    const words = piece.inputs instanceof Uint8Array ? packBytes(piece.inputs) : piece.inputs;
    const perSample = sampleSize(dataset.inputs.shape) / (dataset.inputs.bytes ? 4 : 1);
    const perLabel = shardedLabelSize(dataset);
    const [inputs, targets] = this.leaves;
    this.backend.write(inputs, words, (slot * inputs.size) / layout.slots + done * perSample);
    this.backend.write(targets, piece.labels, (slot * targets.size) / layout.slots + done * perLabel);
    coming.done += piece.labels.length / perLabel;
    const whole = coming.done === samplesOf(turn, layout, this.#key)[1];
    // Where all is there now, no piece follows.
    if (!(whole && layout.slots === 1)) this.#last = piece;
    if (whole) {
      this.#there[slot] = turn;
      this.#coming = undefined;
    } else {
      coming.next = this.#ask(turn, coming.done);
    }
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
