/** Data sets that stay in files: every format against its reader in memory, at every cut, and what is refused. */
import { describe, expect, it } from "vitest";
import { type ByteSource, blobBytes } from "../../src/data/byte-source.ts";
import { shardedCifar10, shardedIdx, shardedNpy, shardedRaw } from "../../src/data/formats/sharded-files.ts";
import { parseCifarBatch } from "../../src/data/published/cifar10.ts";
import { loadSharded, type ShardedDataset, shardsOf } from "../../src/data/sharded.ts";
import { syntheticDigits } from "../../src/data/synthetic/digits.ts";
import { Random } from "../../src/numbers/random.ts";

const random = new Random(4);
const bytes = (n: number, most = 256) => Uint8Array.from({ length: n }, () => random.below(most));
const blob = (name: string, ...parts: (Uint8Array | Float32Array | Int32Array)[]) =>
  blobBytes(new Blob(parts.map((p) => p.slice())), name);

function idx(name: string, shape: readonly number[], values: Uint8Array): ByteSource {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint32(0, 0x0800 | shape.length);
  shape.forEach((extent, i) => {
    header.setUint32(4 + 4 * i, extent);
  });
  return blob(name, new Uint8Array(header.buffer), values);
}

function npy(
  name: string,
  descr: string,
  shape: readonly number[],
  values: Uint8Array,
  fortran = false,
): ByteSource {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': (${tuple}), }`;
  const padded = `${text.padEnd(117)}\n`;
  const head = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length & 255, padded.length >> 8];
  return blob(name, Uint8Array.from(head), new TextEncoder().encode(padded), values);
}

const viewed = (data: Float32Array | Float64Array | Int32Array | BigInt64Array) =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Reads `data` in parts of every size up to 5 and compares with what should be there. */
async function expectSamples(
  data: ShardedDataset,
  inputs: ArrayLike<number>,
  labels: ArrayLike<number>,
): Promise<void> {
  const each = inputs.length / data.count;
  const perLabel = labels.length / data.count;
  for (let start = 0; start < data.count; start++) {
    for (let count = 1; count <= Math.min(5, data.count - start); count++) {
      const part = await data.read(start, count);
      expect(Array.from(part.inputs)).toEqual(Array.from(inputs).slice(start * each, (start + count) * each));
      expect(Array.from(part.labels)).toEqual(
        Array.from(labels).slice(start * perLabel, (start + count) * perLabel),
      );
    }
  }
}

describe("reads in parts", () => {
  it("IDX", async () => {
    const [images, labels] = [bytes(11 * 6), bytes(11, 10)];
    const data = await shardedIdx({
      images: idx("images", [11, 2, 3], images),
      labels: idx("labels", [11], labels),
    });
    expect(data).toMatchObject({
      count: 11,
      classes: 10,
      inputs: { shape: [1, 2, 3], bytes: true, scale: 1 / 255 },
    });
    await expectSamples(data, images, labels);
  });
  it("CIFAR-10's batches, across their borders", async () => {
    const batches = [3, 1, 4].map((count) => {
      const records = bytes(count * 3073);
      for (let i = 0; i < count; i++) records[i * 3073] = random.below(10);
      return records;
    });
    const data = await shardedCifar10(batches.map((b, i) => blob(`batch ${i}`, b)));
    expect(data).toMatchObject({ count: 8, classes: 10, inputs: { shape: [3, 32, 32] } });
    const parsed = batches.map((b) => parseCifarBatch(b));
    await expectSamples(
      data,
      parsed.flatMap(({ images }) => Array.from(images)),
      parsed.flatMap(({ labels }) => Array.from(labels)),
    );
  });
  it(".npy: bytes with class numbers of 8 bytes, float64 with targets", async () => {
    const images = bytes(7 * 4);
    const labels = BigInt64Array.from({ length: 7 }, (_, i) => BigInt(i % 3));
    const classes = await shardedNpy(
      { inputs: npy("x.npy", "|u1", [7, 1, 2, 2], images), labels: npy("y.npy", "<i8", [7], viewed(labels)) },
      { classes: 3, name: "mine" },
    );
    expect(classes).toMatchObject({ name: "mine", classes: 3, inputs: { shape: [1, 2, 2], bytes: true } });
    await expectSamples(classes, images, Array.from(labels, Number));
    const table = Float64Array.from({ length: 10 }, (_, i) => i / 8);
    const targets = Float32Array.from({ length: 15 }, (_, i) => -i / 4);
    const values = await shardedNpy({
      inputs: npy("x.npy", "<f8", [5, 2], viewed(table)),
      labels: npy("y.npy", "<f4", [5, 3], viewed(targets)),
    });
    expect(values).toMatchObject({ labelShape: [3], inputs: { shape: [2], bytes: false, scale: 1 } });
    await expectSamples(values, table, targets);
  });
  it("plain values behind a header", async () => {
    const [x, y] = [Float32Array.from({ length: 12 }, (_, i) => i - 0.5), Int32Array.of(1, 0, 2)];
    const data = await shardedRaw(
      {
        inputs: { source: blob("x.bin", bytes(3), x), dtype: "f32", at: 3 },
        labels: { source: blob("y.bin", y), dtype: "i32" },
      },
      { shape: [2, 2], classes: 3, scale: 2 },
    );
    expect(data.inputs).toMatchObject({ bytes: false, scale: 2 });
    await expectSamples(data, x, y);
  });
  it("a data set in memory, there and back", async () => {
    const { train } = syntheticDigits({ seed: 1, train: 30, test: 1 });
    expect(await loadSharded(shardsOf(train))).toEqual(train);
  });
});

describe("refuses", () => {
  const images = idx("images", [5, 2, 2], bytes(20));
  const labels = (values: Uint8Array = bytes(5, 10)) => idx("labels", [values.length], values);
  const x = blob("x.bin", bytes(12));
  it.each([
    [
      "a truncated file",
      () => shardedIdx({ images: idx("images", [5, 2, 2], bytes(19)), labels: labels() }),
      /images: truncated: \[5, 2, 2\] takes 20 bytes from byte 16 on, got 19/,
    ],
    [
      "an empty file",
      () => shardedIdx({ images: blob("images"), labels: labels() }),
      /images: truncated IDX header/,
    ],
    [
      "a gzipped file",
      () => shardedIdx({ images: blob("images", Uint8Array.of(31, 139, 8, 0)), labels: labels() }),
      /images: is gzipped, which can't be read in parts/,
    ],
    [
      "other numbers of labels",
      () => shardedIdx({ images, labels: labels(bytes(4, 10)) }),
      /images holds 5 samples, labels holds 4 labels/,
    ],
    [
      "half a CIFAR-10 record",
      () => shardedCifar10([blob("batch", bytes(3000))]),
      /batch: expected whole records of 3073 bytes, got 3000/,
    ],
    ["no batches", () => shardedCifar10([]), /needs at least one batch/],
    [
      "Fortran order",
      () =>
        shardedNpy({
          inputs: npy("x.npy", "|u1", [2, 2], bytes(4), true),
          labels: npy("y.npy", "|u1", [2], bytes(2)),
        }),
      /x.npy: is in Fortran order/,
    ],
    [
      "an .npy file of another size",
      () =>
        shardedNpy({
          inputs: npy("x.npy", "|u1", [2, 2], bytes(5)),
          labels: npy("y.npy", "|u1", [2], bytes(2)),
        }),
      /x.npy: \[2, 2\] of \|u1 takes 4 bytes/,
    ],
    [
      "parts of samples",
      () =>
        shardedRaw(
          { inputs: { source: x, dtype: "u8" }, labels: { source: x, dtype: "u8" } },
          { shape: [5], classes: 2 },
        ),
      /x.bin: expected whole samples of 5 bytes from byte 0 on, got 12/,
    ],
    [
      "class labels of several numbers",
      () =>
        shardedRaw(
          { inputs: { source: x, dtype: "u8" }, labels: { source: x, dtype: "u8" } },
          { shape: [2], labelShape: [2], classes: 2 },
        ),
      /one number per sample, got \[2\]/,
    ],
  ] as const)("%s", async (_, open, message) => {
    await expect(open()).rejects.toThrow(message);
  });
  it("labels that are no classes, and a file that has become shorter, when they are read", async () => {
    const data = await shardedIdx({ images, labels: labels(Uint8Array.of(1, 2, 10, 3, 4)) });
    await expect(loadSharded(data)).rejects.toThrow(/label 10 of sample 2 is outside 0 .. 9/);
    const whole = blob("images", bytes(36));
    const shrunk = { ...idx("images", [5, 2, 2], bytes(20)), read: whole.read.bind(whole) };
    const good = idx("images", [5, 2, 2], bytes(20));
    const source = {
      ...good,
      read: (at: number, n: number) => (at === 0 ? good.read(at, n) : shrunk.read(34, n)),
    };
    const later = await shardedIdx({ images: source, labels: labels() });
    await expect(later.read(0, 5)).rejects.toThrow(
      /images: truncated, expected 20 bytes from byte 16 on, got 2/,
    );
  });
  it("labels that are fractions", async () => {
    const y = npy("y.npy", "<f4", [2], viewed(Float32Array.of(1, 0.5)));
    const data = await shardedNpy(
      { inputs: npy("x.npy", "|u1", [2, 2], bytes(4)), labels: y },
      { classes: 2 },
    );
    await expect(data.read(0, 2)).rejects.toThrow(/y.npy: label 0.5 of sample 1/);
  });
});
