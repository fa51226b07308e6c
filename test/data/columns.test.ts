/** Data sets with named columns: builder, checks, selection, division, and as inputs and labels. */
import { describe, expect, it } from "vitest";
import {
  type Column,
  type ColumnDataset,
  fromColumns,
  readColumns,
  shardsOfColumns,
  validateColumns,
} from "../../src/data/columns.ts";
import { subset, take } from "../../src/data/dataset.ts";
import { pairOf } from "../../src/data/inputs-and-labels.ts";
import { kFold, shuffle, split } from "../../src/data/prepare/split.ts";
import { Random } from "../../src/numbers/random.ts";
import { DataError, ValueError } from "../../src/validation/errors.ts";

/** Sample i holds i in every column. */
const pairs = (count = 12) => {
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
  return fromColumns(
    {
      tokens: { data: Int32Array.from(upTo(3 * count), (i) => Math.floor(i / 3)), shape: [3] },
      image: {
        data: Uint8Array.from(upTo(4 * count), (i) => Math.floor(i / 4)),
        shape: [2, 2],
        scale: 1 / 255,
      },
      mask: { data: Float32Array.from(upTo(count)), shape: [] },
      id: Uint32Array.from(upTo(count)),
      label: { data: Int32Array.from(upTo(count), (i) => i % 3), classes: 3 },
    },
    { name: "pairs", split: "train" },
  );
};

const idsOf = ({ columns }: ColumnDataset) => Array.from(columns.id!.data);

describe("fromColumns", () => {
  it("counts samples, and takes bare arrays as one number per sample", () => {
    const set = pairs();
    expect([set.name, set.split, set.count]).toEqual(["pairs", "train", 12]);
    expect(set.columns.id!.shape).toEqual([]);
    expect(fromColumns({ x: new Float32Array(4) })).toMatchObject({
      name: "columns",
      split: "all",
      count: 4,
    });
  });

  const bad: readonly (readonly [string, unknown, RegExp])[] = [
    ["no object", 7, /fromColumns: needs an object of columns, .*got 7/],
    ["an array", new Float32Array(3), /fromColumns: needs an object of columns/],
    ["no columns", {}, /has no columns/],
    ["a list of numbers", { x: { data: [1, 2] } }, /column "x": data must be a Uint8Array, Float32Array/],
    ["a column without data", { x: { shape: [2] } }, /column "x": data must be/],
    [
      "lengths that differ",
      { x: new Float32Array(4), y: new Int32Array(3) },
      /column "y" must hold 4 values \(4 of \[\]\), got 3/,
    ],
    [
      "broken samples",
      { x: { data: new Float32Array(7), shape: [3] } },
      /column "x" holds 7 values, which are no whole samples of \[3\]/,
    ],
    ["no samples", { x: new Float32Array(0) }, /must hold at least one sample/],
    [
      "an extent of 0",
      { x: { data: new Float32Array(4), shape: [0] } },
      /column "x": shape must be whole numbers/,
    ],
    ["a shape that is a number", { x: { data: new Float32Array(4), shape: 4 } }, /shape/],
    [
      "NaN",
      { x: { data: Float32Array.of(1, 2, Number.NaN, 4), shape: [2] } },
      /column "x": value 0 of sample 1 is NaN/,
    ],
    [
      "scaled tokens",
      { x: { data: new Int32Array(4), scale: 2 } },
      /scale and offset are for columns that are trained on as f32, this one is i32/,
    ],
    [
      "an infinite offset",
      { x: { data: new Float32Array(4), offset: Number.POSITIVE_INFINITY } },
      /scale and offset must be finite/,
    ],
    [
      "a column named weights",
      { x: new Float32Array(4), weights: new Float32Array(4) },
      /"weights": a step gets weights/,
    ],
    [
      "Float64Array",
      { x: new Float64Array(4) },
      /takes a Uint8Array, Float32Array.* got a Float64Array; convert it/,
    ],
    ["a plain array", { x: [1, 2] }, /takes a Uint8Array, Float32Array.* got \[1, 2\]; convert it/],
    ["floats as i32", { x: { data: new Float32Array(4), as: "i32" } }, /`as` is for bytes/],
    ["an unknown dtype", { x: { data: new Uint8Array(4), as: "u16" } }, /as must be/],
    [
      "classes of floats",
      { x: { data: new Float32Array(4), classes: 3 } },
      /classes is a whole number of at least 1, for columns of whole numbers; got 3 for f32/,
    ],
    [
      "a class too many",
      { x: { data: Int32Array.of(0, 1, 2, 3), shape: [2], classes: 3 } },
      /class 3 of position 1 of sample 1 is outside 0 .. 2/,
    ],
    [
      "names of other classes",
      { x: { data: new Int32Array(4), classes: 3, classNames: ["a"] } },
      /has 3 classes but 1 class names/,
    ],
    ["an unknown option", { x: { data: new Int32Array(4), shpae: [1] } }, /there is no option "shpae"/],
  ];
  it.each(bad)("refuses %s", (_, columns, message) => {
    let error: unknown;
    try {
      fromColumns(columns as never);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toSatisfy((e) => e instanceof DataError || e instanceof ValueError);
    expect((error as Error).message).toMatch(message);
  });

  it("lets ignored labels through: -100, or the column's own", () => {
    const label = (ignoreIndex?: number) => ({
      label: {
        data: Int32Array.of(0, 255, 1, -100),
        classes: 2,
        ...(ignoreIndex && { ignoreIndex }),
      } as Column,
    });
    expect(() => fromColumns(label())).toThrow(/class 255 of sample 1/);
    expect(() => fromColumns(label(255))).toThrow(/class -100 of sample 3/);
    const two = { label: { data: Int32Array.of(0, -100), classes: 1 } };
    expect(fromColumns(two).count).toBe(2);
  });
});

describe("selection and division", () => {
  it("take and subset pick samples of all columns", () => {
    const taken = take(pairs(), [5, 0, 5], "some");
    expect([taken.count, taken.split]).toEqual([3, "some"]);
    expect(Array.from(taken.columns.tokens!.data)).toEqual([5, 5, 5, 0, 0, 0, 5, 5, 5]);
    expect(Array.from(taken.columns.image!.data)).toEqual([5, 5, 5, 5, 0, 0, 0, 0, 5, 5, 5, 5]);
    expect(taken.columns.id!.data).toBeInstanceOf(Uint32Array);
    expect(idsOf(subset(pairs(), 3))).toEqual([0, 1, 2]);
    expect(validateColumns(subset(pairs(), 5, 2)).count).toBe(5);
    expect(() => take(pairs(), [12])).toThrow(
      /take: index 12 at position 0 is outside the 12 samples of data set pairs\/train/,
    );
  });

  it("split, kFold and shuffle lose nothing, and stratify by the column label", () => {
    const sorted = (...sets: ColumnDataset[]) => sets.flatMap(idsOf).sort((a, b) => a - b);
    const all = sorted(pairs());
    const [train, test] = split(pairs(), 0.75, 1, { stratify: true });
    expect([train.count, test.count]).toEqual([9, 3]);
    expect(Array.from(test.columns.label!.data).sort()).toEqual([0, 1, 2]);
    expect(sorted(train, test)).toEqual(all);
    for (const fold of kFold(pairs(), 3, 4, { stratify: true })) {
      expect(sorted(fold.train, fold.validation)).toEqual(all);
      const each = [0, 1, 2].map((c) => fold.validation.columns.label!.data.filter((v) => v === c).length);
      expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(1);
    }
    expect(sorted(shuffle(pairs(), 3))).toEqual(all);
    expect(idsOf(shuffle(pairs(), 3))).not.toEqual(all);
    const none = fromColumns({ x: new Float32Array(4) });
    expect(() => split(none, 0.5, 1, { stratify: true })).toThrow(/split: stratify needs class labels/);
  });
});

describe("in parts", () => {
  it("reads what is asked for, and checks it", async () => {
    const shards = shardsOfColumns(pairs());
    const part = await readColumns(shards, 4, 2);
    expect(Array.from(part.id!)).toEqual([4, 5]);
    expect(Array.from(part.tokens!)).toEqual([4, 4, 4, 5, 5, 5]);
    const wrong = { ...shards, read: async () => ({ ...part, id: new Int32Array(2) }) };
    await expect(readColumns(wrong, 4, 2)).rejects.toThrow(
      /from sample 4 on: column "id" must be read as an array of u32/,
    );
    const short = { ...shards, read: async () => ({ ...part, mask: new Float32Array(1) }) };
    await expect(readColumns(short, 4, 2)).rejects.toThrow(/column "mask" must hold 2 values/);
  });
});

describe("as inputs and labels", () => {
  const inputs = { data: new Int32Array(6), shape: [3] };
  const labels = { data: Int32Array.of(0, 1), classes: 2 };
  it("is the same data set every time", () => {
    const set = fromColumns({ inputs, labels });
    const pair = pairOf("fit", set);
    expect(pair).toMatchObject({ count: 2, classes: 2, labelShape: [], inputs: { shape: [3] } });
    expect((pair as { labels: unknown }).labels).toBe(labels.data);
    expect(pairOf("fit", set)).toBe(pair);
  });
  it("refuses other columns, and kinds that a loss does not take", () => {
    expect(() => pairOf("fit", pairs())).toThrow(
      /fit: data set pairs\/train has the columns tokens, image, mask, id, label\. A trainer with a model and a loss takes the columns inputs and labels; train on others with a step function/,
    );
    const refused = (columns: Parameters<typeof fromColumns>[0]) => () => pairOf("fit", fromColumns(columns));
    expect(refused({ inputs: new Uint32Array(2), labels })).toThrow(/has inputs of u32/);
    expect(refused({ inputs: { data: new Uint8Array(2), as: "i32" }, labels })).toThrow(
      /has inputs of u8 as i32/,
    );
    expect(refused({ inputs, labels: new Int32Array(2) })).toThrow(/has labels that are neither/);
    expect(refused({ inputs, labels: { data: new Float32Array(2), scale: 2 } })).toThrow(
      /has labels that are neither/,
    );
  });
});

it("any wrong specification is refused by a typed error, never accepted with values that do not fit", () => {
  const random = new Random(77);
  const pick = <T>(list: readonly T[]) => list[random.u32() % list.length] as T;
  const arrays = [Uint8Array, Float32Array, Int32Array, Uint32Array, Float64Array, Int16Array, Array];
  const shapes = [undefined, [], [1], [2], [3, 2], [0], [-1], [1.5], "2", 2, null, [Number.NaN]];
  const others = [undefined, 0, 1, -3, 2.5, Number.NaN, Number.POSITIVE_INFINITY, "i32", "f32", null, [], {}];
  let [accepted, refused] = [0, 0];
  for (let round = 0; round < 3000; round++) {
    const column = (): unknown => {
      const values = new (pick(arrays))(pick([0, 2, 6, 12])) as Float32Array;
      for (let i = 0; i < values.length; i++) values[i] = pick([0, 1, 2, 255, -100, Number.NaN]);
      const extra =
        random.u32() % 3 === 0
          ? { [pick(["scale", "offset", "classes", "as", "classNames", "ignoreIndex"])]: pick(others) }
          : {};
      return pick<unknown>([
        values,
        { data: values, shape: pick(shapes), ...extra },
        { shape: [1] },
        null,
        7,
      ]);
    };
    const columns = Object.fromEntries(
      Array.from({ length: 1 + (random.u32() % 3) }, (_, i) => [`c${i}`, column()]),
    );
    try {
      const set = fromColumns(columns as never);
      accepted++;
      for (const { data: values, shape } of Object.values(set.columns)) {
        expect(values.length).toBe(set.count * shape.reduce((a, b) => a * b, 1));
        if (values instanceof Float32Array) expect(values.every(Number.isFinite)).toBe(true);
      }
    } catch (error) {
      if (!(error instanceof DataError || error instanceof ValueError)) throw error;
      refused++;
    }
  }
  expect(accepted).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(1000);
});
