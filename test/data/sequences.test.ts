/** Padded sequences with lengths and masks, buckets by length, host batches of one bucket at a time, and what is refused. */
import { describe, expect, it } from "vitest";
import { type ColumnDataset, fromColumns } from "../../src/data/columns.ts";
import { take } from "../../src/data/dataset.ts";
import { batches, bucketByLength, fromSequences } from "../../src/data/sequences.ts";
import { fromGenerator } from "../../src/data/stream.ts";
import { DataError, ValueError } from "../../src/validation/errors.ts";

const LENGTHS = [3, 1, 7, 4, 2, 7, 5, 3];
/** Sample i: steps 10 i + 1, 10 i + 2 … */
const steps = (i: number) => Array.from({ length: LENGTHS[i] as number }, (_, t) => 10 * i + t + 1);
const make = (length?: number) =>
  fromSequences(
    {
      tokens: { sequences: LENGTHS.map((_, i) => Int32Array.from(steps(i))) },
      tags: { sequences: LENGTHS.map((_, i) => Int32Array.from(steps(i), (v) => v % 3)), classes: 3 },
      points: {
        sequences: LENGTHS.map((_, i) => Float32Array.from(steps(i).flatMap((v) => [v, -v]))),
        shape: [2],
        padding: 9,
      },
      id: Int32Array.from(LENGTHS.keys()),
    },
    { name: "words", split: "train", ...(length !== undefined && { length }) },
  );

describe("fromSequences", () => {
  it("pads to the longest, class numbers with the ignored one, and adds lengths and mask", () => {
    const { count, columns, name } = make();
    expect([name, count]).toEqual(["words", 8]);
    expect(Object.entries(columns).map(([key, { shape }]) => `${key} [${shape}]`)).toEqual([
      "tokens [7]",
      "tags [7]",
      "points [7,2]",
      "id []",
      "lengths []",
      "mask [7]",
    ]);
    const row = (key: string, i: number, size = 7) =>
      Array.from(columns[key]!.data.subarray(i * size, (i + 1) * size));
    expect(row("tokens", 3)).toEqual([31, 32, 33, 34, 0, 0, 0]);
    expect(row("tags", 3)).toEqual([1, 2, 0, 1, -100, -100, -100]);
    expect(row("points", 1, 14)).toEqual([11, -11, ...new Array(12).fill(9)]);
    expect(row("mask", 0)).toEqual([1, 1, 1, 0, 0, 0, 0]);
    expect(Array.from(columns.lengths!.data)).toEqual(LENGTHS);
    expect(columns.lengths!.data).toBeInstanceOf(Int32Array);
    expect(make(9).columns.tokens!.shape).toEqual([9]);
  });

  const one = { sequences: [Int32Array.of(1, 2), Int32Array.of(3)] };
  it.each([
    ["no columns", undefined, {}, /needs at least one column \{ sequences/],
    ["no sequences", { x: new Int32Array(2) }, {}, /needs at least one column/],
    ["a column of the name mask", { one, mask: new Int32Array(2) }, {}, /adds the column mask by itself/],
    [
      "a length that is too short",
      { one },
      { length: 1 },
      /length must be a whole number of at least 2, .*got 1/,
    ],
    [
      "plain arrays",
      { one: { sequences: [[1, 2]] } },
      {},
      /sequence 0 must be an array of the kind of the first/,
    ],
    [
      "kinds that differ",
      { one: { sequences: [Int32Array.of(1), Float32Array.of(1)] } },
      {},
      /sequence 1 must be an array of the kind/,
    ],
    ["an empty sequence", { one: { sequences: [new Int32Array(0)] } }, {}, /sequence 0 holds 0 values/],
    [
      "broken steps",
      { one: { sequences: [new Int32Array(3)], shape: [2] } },
      {},
      /holds 3 values, which are no whole steps of \[2\]/,
    ],
    [
      "lengths that differ",
      { one, two: { sequences: [Int32Array.of(1, 2), Int32Array.of(3, 4)] } },
      {},
      /column "two": sequence 1 has 2 steps, in other columns it has 1/,
    ],
    [
      "counts that differ",
      { one, two: { sequences: [Int32Array.of(1, 2)] } },
      {},
      /column "two": has 1 sequences, other columns have 2/,
    ],
    [
      "a padding that is no u8",
      { one: { sequences: [Uint8Array.of(1, 2), Uint8Array.of(3)], padding: -1 } },
      {},
      /padding -1 does not fit/,
    ],
    ["an unknown option", { one: { ...one, shpae: [] } }, {}, /there is no option "shpae"/],
  ])("refuses %s", (_, columns, options, message) => {
    const call = () => fromSequences(columns as never, options);
    expect(call).toThrow(message);
    expect(call).toThrow(expect.toSatisfy((e) => e instanceof ValueError || e instanceof DataError));
  });
});

describe("bucketByLength", () => {
  it("has every sample once, in the first bucket that holds it, with nothing cut off", () => {
    const buckets = bucketByLength(make(), { boundaries: [3, 4, 6, 8, 16] });
    expect(buckets.map(({ split, count }) => `${split}: ${count}`)).toEqual([
      "train, up to 3 steps: 4",
      "train, up to 4 steps: 1",
      "train, up to 6 steps: 1",
      "train, up to 8 steps: 2",
    ]);
    expect(buckets.map(({ columns }) => columns.tokens!.shape[0])).toEqual([3, 4, 6, 7]);
    expect(buckets.map(({ columns }) => columns.points!.shape)).toEqual([
      [3, 2],
      [4, 2],
      [6, 2],
      [7, 2],
    ]);
    for (const { columns, count } of buckets) {
      const T = columns.mask!.shape[0] as number;
      for (let b = 0; b < count; b++) {
        const i = columns.id!.data[b] as number;
        const held = Array.from(columns.tokens!.data.subarray(b * T, (b + 1) * T));
        expect(held).toEqual([...steps(i), ...new Array(T - steps(i).length).fill(0)]);
        const mask = Array.from(columns.mask!.data.subarray(b * T, (b + 1) * T));
        expect(mask).toEqual(held.map((_, t) => (t < steps(i).length ? 1 : 0)));
      }
    }
    const ids = buckets.flatMap(({ columns }) => Array.from(columns.id!.data));
    expect(ids.sort()).toEqual([...LENGTHS.keys()]);
  });

  it("refuses boundaries that don't hold all, and sets without lengths", () => {
    for (const boundaries of [[], [3], [4, 3, 8], [0, 8], [2.5, 8]]) {
      expect(() => bucketByLength(make(), { boundaries })).toThrow(
        /boundaries must be ascending whole numbers up to at least 7/,
      );
    }
    expect(() => bucketByLength(fromColumns({ x: new Float32Array(2) }), { boundaries: [3] })).toThrow(
      /needs a data set in memory with the columns lengths \(i32\) and mask/,
    );
    const set = make();
    const parts = {
      ...set,
      columns: { lengths: { dtype: "i32", shape: [] }, mask: { dtype: "f32", shape: [7] } },
    };
    expect(() => bucketByLength(parts as never, { boundaries: [8] })).toThrow(ValueError);
    const { lengths, mask, tokens } = set.columns;
    const plain = fromColumns({
      lengths: lengths!,
      mask: { data: mask!.data, shape: [7] },
      tokens: { data: tokens!.data, shape: [7] },
    });
    expect(() => bucketByLength(plain, { boundaries: [8] })).toThrow(
      /name those to be shortened as `columns`/,
    );
    const [first] = bucketByLength(plain, { boundaries: [3, 8], columns: ["tokens"] });
    expect(first?.columns.tokens?.shape).toEqual([3]);
    expect(() => bucketByLength(make(), { boundaries: [8], columns: ["id"] })).toThrow(
      /"id" is no column of 7 steps/,
    );
  });
});

describe("columns of sequences", () => {
  it("are what buckets shorten, not others of as many values", () => {
    const sequences = [Int32Array.of(1), Int32Array.of(1, 2, 3)];
    const features = Float32Array.of(1, 2, 3, 4, 5, 6);
    const set = fromSequences({ tokens: { sequences }, features: { data: features, shape: [3] } });
    const [short] = bucketByLength(take(set, [0, 1]), { boundaries: [1, 3] });
    expect(short?.columns.tokens?.shape).toEqual([1]);
    expect(Array.from(short?.columns.features?.data ?? [])).toEqual([1, 2, 3]);
  });

  it("need a padding that fits only where something is padded", () => {
    const bytes = { sequences: [Uint8Array.of(1, 0)], classes: 2, as: "i32" } as const;
    expect(fromSequences({ bytes }).count).toBe(1);
    expect(() => fromSequences({ bytes }, { length: 3 })).toThrow(/padding -100 does not fit/);
  });

  it("are refused where there are none, or more values than an array holds", () => {
    expect(() => fromSequences({ x: { sequences: [] } })).toThrow(/needs at least one sequence, got none/);
    const long = () => fromSequences({ x: { sequences: [Int32Array.of(1)] } }, { length: 2 ** 40 });
    expect(long).toThrow(ValueError);
  });
});

describe("batches", () => {
  const buckets = bucketByLength(make(), { boundaries: [3, 8] });
  const idsOf = (list: Iterable<ColumnDataset["columns"]>) =>
    Array.from(list, ({ id }) => Array.from(id!.data));

  it("are of one bucket each, every sample once, in another order each epoch", () => {
    const list = [...batches(buckets, { batchSize: 3, seed: 4 })];
    expect(list.map(({ id }) => id!.data.length).sort()).toEqual([1, 1, 3, 3]);
    for (const { id, tokens } of list) expect([3, 7]).toContain(tokens!.data.length / id!.data.length);
    expect(idsOf(list).flat().sort()).toEqual([...LENGTHS.keys()]);
    expect(idsOf(batches(buckets, { batchSize: 3, seed: 4 }))).toEqual(idsOf(list));
    const orders = [0, 1, 2].map((epoch) =>
      JSON.stringify(idsOf(batches(buckets, { batchSize: 3, seed: 4, epoch }))),
    );
    expect(new Set(orders).size).toBe(3);
  });

  it("take data in order without shuffling, and refuse batches of none", () => {
    expect(idsOf(batches(make(), { batchSize: 5, shuffle: false }))).toEqual([
      [0, 1, 2, 3, 4],
      [5, 6, 7],
    ]);
    expect(() => [...batches(buckets, { batchSize: 0 })]).toThrow(
      /batches: batchSize must be a whole number of at least 1, got 0/,
    );
    const stream = fromGenerator([], { columns: { x: {} } });
    expect(() => [...batches(stream as never, { batchSize: 2 })]).toThrow(
      /batches: needs a data set in memory/,
    );
    expect(() => [...batches(null as never, { batchSize: 2 })]).toThrow(DataError);
  });
});
