/** The file formats of MNIST: gzip and IDX, sound and broken in every way, and the two put together. */
import { describe, expect, test } from "vitest";
import { gunzip, isGzip } from "../../src/data/archives/gzip.ts";
import { parseIdx } from "../../src/data/formats/idx.ts";
import { sha256Hex, verifyFile } from "../../src/data/published/dataset-source.ts";
import { datasetSources } from "../../src/data/published/index.ts";
import { mnistSource } from "../../src/data/published/mnist.ts";
import { DataError, FormatError } from "../../src/validation/errors.ts";
import { gzip } from "../support/archives.ts";

/** An IDX file of bytes 0, 1, 2, ... unless the values are given. */
function idx(shape: number[], values?: number[], magic = 0x0800 | shape.length): Uint8Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(4 + 4 * shape.length + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  shape.forEach((extent, axis) => {
    view.setUint32(4 + 4 * axis, extent);
  });
  bytes.set(values ?? Array.from({ length: size }, (_, i) => i), 4 + 4 * shape.length);
  return bytes;
}

const content = Uint8Array.from({ length: 5000 }, (_, i) => (i * i) >>> 3);

describe("gunzip", () => {
  test("gives back what was compressed", async () => {
    const packed = await gzip(content);
    expect(isGzip(packed)).toBe(true);
    expect(await gunzip(packed)).toEqual(content);
    expect(await gunzip(packed, { limit: 5000 })).toEqual(content);
    expect(await gunzip(await gzip(new Uint8Array(0)))).toHaveLength(0);
    // A view into a larger buffer.
    const shifted = new Uint8Array(packed.length + 9);
    shifted.set(packed, 5);
    expect(await gunzip(shifted.subarray(5, 5 + packed.length))).toEqual(content);
  });

  const damage: [what: string, change: (packed: Uint8Array) => Uint8Array, message: string][] = [
    [
      "no bytes at all",
      () => new Uint8Array(0),
      "x.gz: not a gzip file, expected the bytes 1f 8b 08 at 0, got none",
    ],
    ["a web page", () => new TextEncoder().encode("<html>404"), "got 3c 68 74"],
    ["a bare header", (packed) => packed.slice(0, 10), "truncated gzip file, 10 bytes"],
    ["a file cut in the middle", (packed) => packed.slice(0, packed.length >> 1), "truncated"],
    ["a file that lacks its last byte", (packed) => packed.slice(0, -1), "x.gz"],
    ["a file that lacks its trailer", (packed) => packed.slice(0, -8), "x.gz"],
    [
      "a changed byte",
      (packed) => packed.with(packed.length >> 1, (packed[packed.length >> 1] ?? 0) ^ 0xff),
      "x.gz",
    ],
    ["a wrong checksum", (packed) => packed.with(-8, (packed.at(-8) ?? 0) ^ 1), "x.gz"],
    ["bytes behind the end", (packed) => Uint8Array.from([...packed, 1, 2, 3, 4, 5, 6, 7, 8]), "x.gz"],
    [
      "bytes that are neither gzip nor zeros behind two members",
      (packed) => Uint8Array.from([...packed, ...packed, 0, 0, 5]),
      "x.gz",
    ],
    ["a second member that is cut", (packed) => Uint8Array.from([...packed, ...packed.slice(0, -9)]), "x.gz"],
    [
      "a second member that is damaged",
      (packed) => Uint8Array.from([...packed, ...packed.with(-8, (packed.at(-8) ?? 0) ^ 1)]),
      "x.gz",
    ],
    [
      "thousands of places where members might begin",
      (packed) =>
        Uint8Array.from([...packed.slice(0, -8), ...new Array(5000).fill([0x1f, 0x8b, 8, 0]).flat()]),
      "x.gz",
    ],
  ];
  test.each(damage)("refuses %s", async (_, change, message) => {
    const bytes = change(await gzip(content));
    const attempt = gunzip(bytes, { name: "x.gz" });
    await expect(attempt).rejects.toThrow(FormatError);
    await expect(attempt).rejects.toThrow(message);
  });

  test("several members are one file, zeros behind the last are none", async () => {
    const other = new TextEncoder().encode("another member");
    const empty = await gzip(new Uint8Array(0));
    // Bytes that look like the begin of a member lie in this one as they are.
    const decoy = Uint8Array.from(
      { length: 4000 },
      (_, i) => [0x1f, 0x8b, 8, 0, (i * i * i) >> 5][i % 5] as number,
    );
    const parts = [content, other, new Uint8Array(0), decoy, content];
    const packed = await Promise.all(parts.map((part) => gzip(part)));
    const joined = (all: readonly Uint8Array[]) => Uint8Array.from(all.flatMap((part) => [...part]));
    expect(await gunzip(joined(packed))).toEqual(joined(parts));
    for (const zeros of [1, 3, 4, 8, 9, 512]) {
      const padded = joined([...packed, new Uint8Array(zeros)]);
      expect(await gunzip(padded), `${zeros} zeros`).toEqual(joined(parts));
      expect(await gunzip(joined([packed[1] as Uint8Array, new Uint8Array(zeros)]))).toEqual(other);
      expect(await gunzip(joined([empty, new Uint8Array(zeros)]))).toHaveLength(0);
    }
    expect(await gunzip(joined([empty, empty, packed[1] as Uint8Array]))).toEqual(other);
    const many = joined(Array.from({ length: 500 }, () => packed[1] as Uint8Array));
    expect(await gunzip(many)).toHaveLength(500 * other.length);
    await expect(gunzip(many, { limit: 100 * other.length, name: "x.gz" })).rejects.toThrow(
      /^x\.gz: .*limit/,
    );
  });

  test("stops at the limit: a small file can't fill the memory", async () => {
    const bomb = await gzip(new Uint8Array(20_000_000));
    expect(bomb.length).toBeLessThan(50_000);
    await expect(gunzip(bomb, { limit: 1_000_000 })).rejects.toThrow(
      "larger than the limit of 1000000 bytes",
    );
    await expect(gunzip(await gzip(content), { limit: 4999 })).rejects.toThrow(FormatError);
  });
});

describe("parseIdx", () => {
  test("reads images and labels", () => {
    expect(parseIdx(idx([2, 2, 3]), 3)).toEqual({
      shape: [2, 2, 3],
      data: Uint8Array.from([...Array(12).keys()]),
    });
    expect(parseIdx(idx([4], [7, 8, 9, 7]), 1).data).toEqual(Uint8Array.of(7, 8, 9, 7));
  });

  const wrong: [what: string, bytes: Uint8Array, message: string][] = [
    ["an empty file", new Uint8Array(0), "f: truncated IDX header, expected 16 bytes for rank 3, got 0"],
    ["half a header", idx([1, 1, 1]).subarray(0, 15), "truncated IDX header"],
    ["text", new TextEncoder().encode("hello, I am text"), "not an IDX file"],
    ["labels for images", idx([20]), "expected 2051, got 2049; rank 1, expected 3"],
    ["float32 values", idx([1, 1, 1], undefined, 0x0d03), "type float32, only unsigned bytes are read"],
    ["an unknown type", idx([1, 1, 1], undefined, 0x4203), "type 66"],
    ["no images", idx([0, 28, 28]), "extent 0 at byte 4 is 0"],
    ["no columns", idx([3, 28, 0]), "extent 2 at byte 12 is 0"],
    [
      "too few bytes",
      idx([2, 2, 2]).subarray(0, 23),
      "truncated: [2, 2, 2] takes 8 bytes from byte 16 on, got 7",
    ],
    ["too many bytes", Uint8Array.from([...idx([2, 2, 2]), 0]), "bytes after the end"],
    ["a count that lies", idx([2, 2, 2]).with(4, 0xff), "truncated"],
  ];
  test.each(wrong)("refuses %s", (_, bytes, message) => {
    expect(() => parseIdx(bytes, 3, "f")).toThrow(FormatError);
    expect(() => parseIdx(bytes, 3, "f")).toThrow(message);
  });
});

describe("MNIST's files", () => {
  const serve = async (change: Record<string, Uint8Array> = {}) => {
    const plain: Record<string, Uint8Array> = {
      "train-images-idx3-ubyte.gz": idx([3, 2, 2]),
      "train-labels-idx1-ubyte.gz": idx([3], [5, 0, 9]),
      "t10k-images-idx3-ubyte.gz": idx([1, 2, 2]),
      "t10k-labels-idx1-ubyte.gz": idx([1], [7]),
      ...change,
    };
    return async (name: string) => gzip(plain[name] as Uint8Array);
  };

  test("become a training and a test set", async () => {
    const { train, test: held } = await mnistSource.read(await serve());
    expect(train.count).toBe(3);
    expect(train.inputs.shape).toEqual([1, 2, 2]);
    expect(train.inputs.scale).toBe(1 / 255);
    expect([...train.labels]).toEqual([5, 0, 9]);
    expect([held.split, held.count, held.classNames?.[7]]).toEqual(["test", 1, "7"]);
    // The pixels can be handed to a device as they lie.
    expect(train.inputs.data.byteOffset % 4).toBe(0);
  });

  test("must agree with each other and hold digits", async () => {
    const fewer = await serve({ "train-labels-idx1-ubyte.gz": idx([2]) });
    await expect(mnistSource.read(fewer)).rejects.toThrow(
      "3 images, train-labels-idx1-ubyte.gz holds 2 labels",
    );
    const eleven = await serve({ "t10k-labels-idx1-ubyte.gz": idx([1], [11]) });
    await expect(mnistSource.read(eleven)).rejects.toThrow("data set mnist/test: label 11 of sample 0");
  });

  test("every source lists files with sizes and hashes", () => {
    for (const source of Object.values(datasetSources)) {
      expect(source.name).toMatch(/^[a-z0-9-]+$/);
      for (const mirror of source.mirrors) expect(mirror).toMatch(/^https?:\/\/.*\/$/);
      for (const file of source.files) {
        expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
        expect(file.bytes).toBeGreaterThan(0);
      }
    }
  });
});

describe("verifyFile", () => {
  const abc = new TextEncoder().encode("abc");
  const file = {
    name: "abc",
    bytes: 3,
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  };
  test("accepts the published bytes and names what differs", async () => {
    expect(await sha256Hex(abc)).toBe(file.sha256);
    await verifyFile(file, abc, "cache/abc");
    await expect(verifyFile(file, abc.subarray(1), "cache/abc")).rejects.toThrow(
      "cache/abc: expected 3 bytes, got 2",
    );
    await expect(verifyFile(file, Uint8Array.of(1, 2, 3), "cache/abc")).rejects.toThrow(DataError);
    await expect(verifyFile(file, Uint8Array.of(1, 2, 3), "cache/abc")).rejects.toThrow(
      /^cache\/abc: expected sha256 ba7816bf.*, got 039058c6/,
    );
  });
});
