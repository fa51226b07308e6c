/** NumPy's files: every type and order, archives stored and deflated, and what is refused. */
import { describe, expect, test } from "vitest";
import { crc32, unzip } from "../../src/data/archives/zip.ts";
import { datasetFromArrays, datasetFromNpz, parseNpz } from "../../src/data/formats/arrays.ts";
import { parseNpy } from "../../src/data/formats/npy.ts";
import { FormatError, ValueError } from "../../src/validation/errors.ts";
import { npy, zip } from "../support/archives.ts";

describe("parseNpy", () => {
  const types: [dtype: string, bytes: number[], values: ArrayLike<number>][] = [
    ["|u1", [0, 255], Uint8Array.of(0, 255)],
    ["|b1", [0, 1], Uint8Array.of(0, 1)],
    ["|i1", [0xff, 1], Int32Array.of(-1, 1)],
    ["<u2", [1, 2], Int32Array.of(513)],
    [">i2", [0xff, 0xfe], Int32Array.of(-2)],
    ["<i4", [1, 0, 0, 0x80], Int32Array.of(-(2 ** 31) + 1)],
    [">u4", [0xff, 0, 0, 0], Float64Array.of(0xff000000)],
    ["<i8", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Float64Array.of(-1)],
    ["<f2", [0, 0x3c, 0, 0xfc, 1, 0, 0, 0xc5], Float32Array.of(1, -Infinity, 2 ** -24, -5)],
    [">f4", [0x3f, 0x80, 0, 0], Float32Array.of(1)],
    ["<f8", [0, 0, 0, 0, 0, 0, 0xf8, 0x3f], Float64Array.of(1.5)],
  ];
  test.each(types)("%s", (dtype, bytes, values) => {
    expect(parseNpy(npy(dtype, [values.length], bytes))).toEqual({
      dtype,
      shape: [values.length],
      data: values,
    });
  });

  test("Fortran order is turned round", () => {
    // [[0, 1, 2], [3, 4, 5]] and a cube, column by column.
    expect([...parseNpy(npy("|u1", [2, 3], [0, 3, 1, 4, 2, 5], true)).data]).toEqual([0, 1, 2, 3, 4, 5]);
    const cube = parseNpy(npy("|u1", [2, 2, 2], [0, 4, 2, 6, 1, 5, 3, 7], true));
    expect([...cube.data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("no dimensions, and none of an extent", () => {
    expect(parseNpy(npy("|u1", [], [9]))).toEqual({ dtype: "|u1", shape: [], data: Uint8Array.of(9) });
    expect(parseNpy(npy("<f4", [0, 5], [])).data).toHaveLength(0);
  });

  const others: [what: string, header: string][] = [
    ["Python 2's long whole numbers", "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }"],
    ["Python 2's unicode", "{u'descr': u'<f4', u'fortran_order': False, u'shape': (2L,)}"],
    ["double quotes, another order", '{"shape":(2,),"fortran_order":False,"descr":"<f4"}'],
    ["no last comma, blanks", "{ 'descr' : '=f4' , 'fortran_order' : False , 'shape' : ( 2 , ) }"],
    ["no byte order", "{'descr': 'f4', 'fortran_order': False, 'shape': (2,), }"],
    ["a type's name, a list", "{'descr': 'float32', 'fortran_order': False, 'shape': [2], }"],
    ["NULs behind it", "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\0\0"],
  ];
  test.each(others)("headers of other writers: %s", (_, text) => {
    const { shape, data } = parseNpy(npy("<f4", [2], [0, 0, 128, 63, 0, 0, 0, 64], false, text));
    expect([shape, data]).toEqual([[2], Float32Array.of(1, 2)]);
  });
  test("versions 2 and 3, whose headers' lengths take four bytes", () => {
    const old = npy("|u1", [2], [7, 8]);
    for (const version of [2, 3]) {
      const bytes = Uint8Array.from([...old.slice(0, 10), 0, 0, ...old.slice(10)]).with(6, version);
      expect([...parseNpy(bytes).data]).toEqual([7, 8]);
    }
  });

  const good = npy("<f4", [2], [0, 0, 0, 0, 0, 0, 0, 0]);
  const header = (text: string) => npy("<f4", [2], [0, 0, 0, 0, 0, 0, 0, 0], false, text);
  const wrong: [what: string, bytes: Uint8Array, message: string][] = [
    ["an empty file", new Uint8Array(0), "f: not a .npy file"],
    ["the magic alone", good.subarray(0, 6), "f: version 0 at byte 6"],
    ["another version", good.with(6, 9), "version 9 at byte 6"],
    ["half a header", good.subarray(0, 40), "f: truncated, the header takes"],
    ["a header length that lies", good.with(6, 2).with(11, 0x7f), "at most 65536 are read"],
    ["a missing byte", good.subarray(0, good.length - 1), "[2] of <f4 takes 8 bytes from byte"],
    ["a byte too many", Uint8Array.from([...good, 0]), "9 are there"],
    ["a shape that lies", npy("<f8", [999_999_999_999, 999], []), "takes 7991999999"],
    ["objects", npy("|O8", [1], []), "never unpickled"],
    ["texts", npy("<U8", [1], []), 'values of type "<U8" (text)'],
    ["complex numbers", npy("<c8", [1], []), "(complex numbers)"],
    ["dates", npy("<M8[ns]", [1], []), "(dates)"],
    ["long doubles", npy("<f16", [1], []), "(floats of more than 8 bytes)"],
    ["raw bytes", npy("|V5", [1], []), "(raw bytes)"],
    [
      "fields",
      header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }"),
      "structured array",
    ],
    ["a type of no meaning", header("{'descr': 'f', 'fortran_order': False, 'shape': (2,), }"), "is no type"],
    ["no order", header("{'descr': '<f4', 'shape': (2,), }"), "no 'fortran_order'"],
    [
      "a negative extent",
      header("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }"),
      "shape (-2,)",
    ],
    ["no dictionary", header("import os"), "the header is no dictionary"],
    ["whole numbers beyond 2^53", npy("<i8", [1], [0, 0, 0, 0, 0, 0, 0x40, 0]), "is beyond 2^53"],
  ];
  test.each(wrong)("refuses %s", (_, bytes, message) => {
    expect(() => parseNpy(bytes, "f")).toThrow(FormatError);
    expect(() => parseNpy(bytes, "f")).toThrow(message);
  });
});

describe("unzip", () => {
  const text = new TextEncoder().encode("hello hello hello hello");
  test("stored and deflated files, folders left out, a comment behind the end", async () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
    const packed = await zip({ "a.txt": text, "b/": new Uint8Array(0), "b/c": new Uint8Array(0) });
    const commented = Uint8Array.from([...packed.slice(0, -2), 3, 0, 1, 2, 3]);
    for (const bytes of [
      packed,
      await zip({ "a.txt": text, "b/c": new Uint8Array(0) }, "stored"),
      commented,
    ]) {
      const files = await unzip(bytes);
      expect([...files.keys()]).toEqual(["a.txt", "b/c"]);
      expect(files.get("a.txt")).toEqual(text);
    }
  });

  const directoryOf = (bytes: Uint8Array) => new DataView(bytes.buffer).getUint32(bytes.length - 6, true);
  const wrong: [what: string, change: (packed: Uint8Array) => Uint8Array, message: string][] = [
    ["an empty file", () => new Uint8Array(0), "f: not a zip archive"],
    ["a file without its last byte", (packed) => packed.slice(0, -1), "no end record"],
    [
      "a directory that is elsewhere",
      (packed) => packed.with(packed.length - 6, 1),
      "f: expected entry 0 of 1",
    ],
    [
      "more entries than there are",
      (p) => p.with(p.length - 12, 2).with(p.length - 14, 2),
      "expected entry 1 of 2",
    ],
    ["a lying size", (packed) => packed.with(directoryOf(packed) + 24, 99), "expected 99 bytes"],
    [
      "a small limit that is passed",
      (packed) => packed.with(directoryOf(packed) + 24, 5),
      "limit of 5 bytes",
    ],
    ["a lying length", (packed) => packed.with(directoryOf(packed) + 22, 1), "past the end"],
    ["a changed checksum", (packed) => packed.with(directoryOf(packed) + 16, 1), "damaged, expected CRC-32"],
    ["encryption", (packed) => packed.with(directoryOf(packed) + 8, 1), '"a.txt" is encrypted'],
    ["another method", (packed) => packed.with(directoryOf(packed) + 10, 12), "packed by method 12"],
    ["a header that is not there", (packed) => packed.with(0, 1), "expected its zip header at byte 0"],
  ];
  test.each(wrong)("refuses %s", async (_, change, message) => {
    const attempt = unzip(change(await zip({ "a.txt": text })), { name: "f" });
    await expect(attempt).rejects.toThrow(FormatError);
    await expect(attempt).rejects.toThrow(message);
  });

  test("stops at the limit, whatever the directory says", async () => {
    const bomb = await zip({ x: new Uint8Array(5_000_000) });
    expect(bomb.length).toBeLessThan(10_000);
    await expect(unzip(bomb, { limit: 1_000_000 })).rejects.toThrow("more than the limit of 1000000 bytes");
    const lying = bomb.slice();
    new DataView(lying.buffer).setUint32(directoryOf(lying) + 24, 1000, true);
    await expect(unzip(lying)).rejects.toThrow("larger than the limit of 1000 bytes");
  });

  test("reads 65,534 entries about as fast as their number says", async () => {
    const entries = (n: number) =>
      zip(Object.fromEntries(Array.from({ length: n }, (_, i) => [`${i}.npy`, text])), "stored");
    const took = async (bytes: Uint8Array) => {
      const begun = performance.now();
      expect((await unzip(bytes)).size).toBeGreaterThan(0);
      return performance.now() - begun;
    };
    const [few, many] = [await entries(6554), await entries(65_534)];
    // Ten times as many: a hundred times as long if it were quadratic. One quick attempt is enough: other processes may
    // take the processor away at any time.
    let ratio = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 20 && ratio >= 60; attempt++) {
      const base = Math.max(20, await took(few));
      ratio = Math.min(ratio, (await took(many)) / base);
    }
    expect(ratio).toBeLessThan(60);
  });

  test("refuses entries that share their bytes", async () => {
    const two = await zip({ a: text, b: text });
    const second = directoryOf(two) + 46 + 1;
    new DataView(two.buffer).setUint32(second + 42, 0, true);
    await expect(unzip(two, { name: "f" })).rejects.toThrow('"b" overlaps another entry');
  });
});

describe("data sets of arrays", () => {
  const images = npy("|u1", [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  const labels = npy("<i8", [2], [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

  test("Keras's names give a training and a test set; bytes stay bytes", async () => {
    const files = { "x_train.npy": images, "y_train.npy": labels, "x_test.npy": images };
    const archive = await zip({ ...files, "y_test.npy": npy("|u1", [2], [0, 5]) });
    const parts = datasetFromNpz(await parseNpz(archive), { name: "small.npz" });
    if (!("train" in parts)) throw new Error("not divided");
    expect(parts.train).toMatchObject({ name: "small.npz", split: "train", classes: 6 });
    expect(parts.train.inputs).toEqual({
      data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      shape: [1, 2, 2],
      scale: 1 / 255,
    });
    expect([...parts.train.labels]).toEqual([2, 0]);
    expect([...parts.test.labels]).toEqual([0, 5]);
  });

  test("booleans are 0 and 1, as inputs and as labels", () => {
    const x = parseNpy(npy("|b1", [2, 2], [1, 0, 0, 1]));
    const set = datasetFromArrays(x, parseNpy(npy("|b1", [2], [0, 0])));
    expect(set.inputs).toEqual({ data: Uint8Array.of(1, 0, 0, 1), shape: [2], scale: 1 });
    expect([[...set.labels], set.classes]).toEqual([[0, 0], 2]);
    expect(datasetFromArrays(x, parseNpy(labels), { scale: 3 }).inputs.scale).toBe(3);
    expect(datasetFromArrays(parseNpy(npy("?", [2, 2], [1, 0, 0, 1])), parseNpy(labels)).inputs.scale).toBe(
      1,
    );
  });

  test("an array that can't be read does not hinder the others, and is refused by name", async () => {
    const files = {
      "x.npy": images,
      "y.npy": labels,
      "names.npy": npy("<U3", [2], new Uint8Array(24)),
      "objects.npy": npy("|O", [1], [1, 2, 3]),
      "cut.npy": images.subarray(0, 90),
      "readme.txt": Uint8Array.of(1, 2),
    };
    const arrays = await parseNpz(await zip(files), { name: "f" });
    expect(datasetFromNpz(arrays)).toMatchObject({ count: 2 });
    expect([...arrays.keys()]).toEqual(["x", "y"]);
    for (const [key, message] of [
      ["names", 'f: names.npy: holds values of type "<U3" (text)'],
      ["objects", "f: objects.npy: holds Python objects"],
      ["cut", "f: cut.npy: truncated"],
      ["readme.txt", "f: readme.txt: not a .npy file"],
    ] as const) {
      expect(arrays.has(key)).toBe(true);
      expect(() => arrays.get(key)).toThrow(FormatError);
      expect(() => datasetFromNpz(arrays, { inputs: "x", labels: key })).toThrow(message);
    }
    // Neither do entries that are damaged, encrypted, or packed in ways that are not read.
    for (const [offset, value, message] of [
      [16, 1, "damaged"],
      [8, 1, "is encrypted"],
      [10, 93, "packed by method 93"],
      [42, 255, "expected its zip header at byte"],
    ] as const) {
      const archive = await zip({ "z.npy": images, "x.npy": images, "y.npy": labels });
      const at = new DataView(archive.buffer).getUint32(archive.length - 6, true) + offset;
      const read = await parseNpz(archive.with(at, value), { name: "f" });
      expect(datasetFromNpz(read)).toMatchObject({ count: 2 });
      expect(() => read.get("z")).toThrow(message);
    }
  });

  test("whole-numbered labels: one rule for all float types", () => {
    const x = { dtype: "|u1", shape: [3], data: Uint8Array.of(1, 2, 3) };
    const y = (dtype: string, values: number[]) => ({
      dtype,
      shape: [3],
      data: dtype === "<f8" ? Float64Array.from(values) : Float32Array.from(values),
    });
    for (const dtype of ["<f2", "<f4", "<f8"]) {
      expect(datasetFromArrays(x, y(dtype, [2, 0, 1])), dtype).toMatchObject({ classes: 3 });
      for (const values of [
        [0.5, 1, 2],
        [-1, 1, 1],
      ])
        expect(datasetFromArrays(x, y(dtype, values)).labels, dtype).toEqual(Float32Array.from(values));
      expect(datasetFromArrays(x, y(dtype, [2, 0, 1]), { task: "values" }).classes).toBeUndefined();
    }
    const many = { dtype: "<f8", shape: [21], data: Float64Array.from({ length: 21 }, (_, i) => i) };
    expect(datasetFromArrays({ ...many, dtype: "<i4" }, many).classes).toBeUndefined();
    expect(datasetFromArrays(many, { ...many, dtype: "<i4" }).classes).toBe(21);
    // Training and test set are told apart by one rule, too.
    const part = (n: number) => ({ dtype: "<f8", shape: [n], data: many.data.slice(0, n) });
    const arrays = { x_train: part(21), y_train: part(21), x_test: part(2), y_test: part(2) };
    const parts = datasetFromNpz(new Map(Object.entries(arrays)));
    expect("train" in parts && [parts.train.classes, parts.test.classes]).toEqual([undefined, undefined]);
  });

  test("an archive's validation set is one, by any of its names", async () => {
    const files = {
      "x_train.npy": images,
      "y_train.npy": labels,
      "x_test.npy": images,
      "y_test.npy": labels,
    };
    for (const key of ["val", "valid", "validation"]) {
      const held = npy("|u1", [2], [0, 7]);
      const archive = await zip({ ...files, [`x_${key}.npy`]: images, [`y_${key}.npy`]: held });
      const parts = datasetFromNpz(await parseNpz(archive));
      if (!("train" in parts)) throw new Error("not divided");
      expect(parts.validation).toMatchObject({ split: "validation", count: 2, classes: 8 });
      expect([parts.train.classes, parts.test.classes]).toEqual([8, 8]);
      expect([...(parts.validation?.labels ?? [])]).toEqual([0, 7]);
    }
  });

  test("channels last become channels first", () => {
    const pixels = parseNpy(npy("|u1", [1, 2, 2, 3], [1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12]));
    const label = parseNpy(npy("|u1", [1], [0]));
    const set = datasetFromArrays(pixels, label);
    expect([...set.inputs.data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(set.inputs.shape).toEqual([3, 2, 2]);
    expect(datasetFromArrays(pixels, label, { channels: "first" }).inputs.shape).toEqual([2, 2, 3]);
  });

  test("floats are targets, several each if there are", () => {
    const x = parseNpy(npy("|u1", [2], [3, 4]));
    const y = { dtype: "<f8", shape: [2, 2], data: Float64Array.of(1, 2, 3, 4.5) };
    expect(datasetFromArrays(x, y)).toMatchObject({ labels: Float32Array.of(1, 2, 3, 4.5), labelShape: [2] });
    expect(datasetFromArrays(x, parseNpy(labels), { task: "values" }).labels).toEqual(Float32Array.of(2, 0));
  });

  test("refuses what does not fit together", async () => {
    const x = parseNpy(images);
    const y = parseNpy(labels);
    expect(() => datasetFromArrays(x, parseNpy(npy("|u1", [1], [0])), { name: "f" })).toThrow(
      "f: 2 inputs, but",
    );
    expect(() => datasetFromArrays(parseNpy(npy("|u1", [0, 3], [])), y)).toThrow("hold no samples");
    expect(() => datasetFromArrays(parseNpy(npy("|u1", [2, 0], [])), y)).toThrow("hold nothing");
    const minus = { dtype: "<i4", shape: [2], data: Int32Array.of(1, -1) };
    expect(() => datasetFromArrays(x, minus)).toThrow(
      'from 0 to 65535 per sample, got -1 at 1; if they are values to predict, say `task: "values"`',
    );
    const nan = { dtype: "<f4", shape: [2, 1], data: Float32Array.of(1, Number.NaN) };
    expect(() => datasetFromArrays(nan, y, { name: "f" })).toThrow("f: input value 1 is NaN");
    expect(() => datasetFromNpz(new Map([["a", x]]))).toThrow(ValueError);
    expect(() => datasetFromNpz(new Map([["a", x]]), { inputs: "a", labels: "b" })).toThrow(
      "there is no array b",
    );
    await expect(parseNpz(await zip({}), { name: "f" })).rejects.toThrow("f: holds no arrays");
    await expect(parseNpz(await zip({ "x.txt": Uint8Array.of(1) }), { name: "f" })).rejects.toThrow(
      "f: x.txt: not a .npy file",
    );
  });
});
