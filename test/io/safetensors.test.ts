/** Safetensors: the golden files, every type, byte-exact writing, and every way a file can lie. */
import { describe, expect, test } from "vitest";
import { readSafetensors, type TensorToStore, writeSafetensors } from "../../src/io/safetensors.ts";
import { floatFromHalf } from "../../src/numbers/float16.ts";
import { FormatError, ValueError } from "../../src/validation/errors.ts";
import { readFixture } from "../support/fixtures.ts";

/** A file from header text (or an object) and data, with the true length unless another is given. */
function file(header: string | object, data: Uint8Array | number = 0, length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const values = typeof data === "number" ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + text.length + values.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(values, 8 + text.length);
  return bytes;
}
const raw = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer as ArrayBuffer);
const entry = (dtype: string, shape: unknown, begin: unknown, end: unknown) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const headerOf = (bytes: Uint8Array) => {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  return new TextDecoder().decode(bytes.subarray(8, 8 + length));
};

describe("reading", () => {
  test("the golden weights", async () => {
    const { tensors, metadata } = readSafetensors(
      await readFixture("golden/lenet5/initial_weights.safetensors"),
    );
    expect(metadata).toEqual({ format: "LeNet-5, 28x28 greyscale input" });
    expect([...tensors.keys()]).toEqual(
      ["conv1", "conv2", "fc1", "fc2", "fc3"].flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]),
    );
    expect(tensors.get("conv2.weight")?.shape).toEqual([16, 6, 5, 5]);
    expect(tensors.get("conv2.weight")?.data).toHaveLength(2400);
    expect(tensors.get("fc1.weight")?.data).toBeInstanceOf(Float32Array);
  });

  test("the golden images", async () => {
    const { tensors } = readSafetensors(await readFixture("golden/lenet5/images.safetensors"));
    const images = tensors.get("images")?.data as Float32Array;
    expect(images).toHaveLength(64 * 28 * 28);
    expect([Math.min(...images), Math.max(...images)]).toEqual([0, 1]);
    const labels = tensors.get("labels");
    expect(labels?.dtype).toBe("I32");
    expect([...(labels?.data ?? [])].every((label) => label >= 0 && label <= 9)).toBe(true);
  });

  test("every type, at offsets that are not aligned", () => {
    const parts = [
      raw(Uint8Array.of(1, 2, 255)),
      raw(Float32Array.of(1.5, -0)),
      raw(Float64Array.of(Math.PI)),
      raw(Uint16Array.of(0x3c00, 0xfc00)),
      raw(Uint16Array.of(0x3fc0)),
      raw(Int32Array.of(-7)),
      raw(Uint32Array.of(0xfffffffe)),
      raw(BigInt64Array.of(-2147483648n, 2147483647n)),
    ];
    const types = ["U8", "F32", "F64", "F16", "BF16", "I32", "U32", "I64"];
    const lengths = [3, 2, 1, 2, 1, 1, 1, 2];
    let at = 0;
    const header: Record<string, object> = {};
    parts.forEach((part, i) => {
      header[types[i] as string] = entry(types[i] as string, [lengths[i]], at, at + part.length);
      at += part.length;
    });
    const bytes = file(header, Uint8Array.from(parts.flatMap((part) => [...part])));
    // The file itself may start anywhere in a buffer, too.
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    const { tensors } = readSafetensors(shifted.subarray(3));
    const data = (name: string) => tensors.get(name)?.data;
    expect(data("U8")).toEqual(Uint8Array.of(1, 2, 255));
    expect(data("F32")).toEqual(Float32Array.of(1.5, -0));
    expect(data("F64")).toEqual(Float64Array.of(Math.PI));
    expect(data("F16")).toEqual(Float32Array.of(1, Number.NEGATIVE_INFINITY));
    expect(data("BF16")).toEqual(Float32Array.of(1.5));
    expect(data("I32")).toEqual(Int32Array.of(-7));
    expect(data("U32")).toEqual(Uint32Array.of(0xfffffffe));
    expect(data("I64")).toEqual(Int32Array.of(-2147483648, 2147483647));
    expect(tensors.get("F16")?.dtype).toBe("F16");
  });

  test("small integers, unsigned 64-bit ones and booleans", () => {
    const parts: [
      type: string,
      values: { buffer: ArrayBufferLike; length: number },
      as: ArrayLike<number>,
    ][] = [
      ["U64", BigUint64Array.of(0n, 4294967295n), Uint32Array.of(0, 4294967295)],
      ["I16", Int16Array.of(-32768, 32767), Int32Array.of(-32768, 32767)],
      ["U16", Uint16Array.of(65535), Int32Array.of(65535)],
      ["I8", Int8Array.of(-128, 127, 0), Int32Array.of(-128, 127, 0)],
      ["BOOL", Uint8Array.of(0, 1, 1), Uint8Array.of(0, 1, 1)],
    ];
    let at = 0;
    const header: Record<string, object> = {};
    for (const [type, values] of parts) {
      const end = at + raw(values).length;
      header[type] = entry(type, [values.length], at, end);
      at = end;
    }
    const bytes = file(header, Uint8Array.from(parts.flatMap(([, values]) => [...raw(values)])));
    const { tensors } = readSafetensors(bytes);
    for (const [type, , as] of parts) {
      expect(tensors.get(type)).toEqual({ dtype: type, shape: [as.length], data: as });
    }
  });

  test("half floats: normal, subnormal, zero, infinite, not a number", () => {
    const cases: [bits: number, value: number][] = [
      [0x0000, 0],
      [0x8000, -0],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3555, 0.333251953125],
      [0x7bff, 65504],
      [0xc000, -2],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0x7e00, Number.NaN],
    ];
    for (const [bits, value] of cases) expect(floatFromHalf(bits)).toBe(value);
  });

  test("empty files, scalars, empty tensors, order and names as they are", () => {
    expect(readSafetensors(file("{}")).tensors.size).toBe(0);
    const header =
      '{"b":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"7":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},"\\u00e9\\"{x":{"shape":[2],"dtype":"U8","data_offsets":[5,7]}}   ';
    const { tensors, metadata } = readSafetensors(file(header, 7));
    expect([...tensors.keys()]).toEqual(["b", "7", "__proto__", 'é"{x']);
    expect(tensors.get("b")?.data).toEqual(Float32Array.of(0));
    expect(tensors.get("7")?.data).toHaveLength(0);
    expect(metadata).toEqual({});
  });

  test("a name of a million escapes is no trouble", () => {
    const name = '\\"'.repeat(500_000);
    const { tensors } = readSafetensors(file(`{"${name}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`));
    expect([...tensors.keys()][0]).toHaveLength(500_000);
  });

  const f32 = (begin: number, end: number) => entry("F32", [(end - begin) / 4], begin, end);
  const wrong: [what: string, bytes: Uint8Array, message: string][] = [
    ["an empty file", new Uint8Array(0), "m: expected the header's length in 8 bytes at 0, the file has 0"],
    ["seven bytes", new Uint8Array(7), "the file has 7"],
    [
      "a header longer than the file",
      file("{}", 0, 3n),
      "said to take 3 bytes from byte 8 on, the file has 10",
    ],
    ["a header over the limit", file("{}", 0, 2000n), "said to take 2000 bytes, the limit is 1000"],
    ["a header of 2^64 - 1 bytes", file("{}", 0, 2n ** 64n - 1n), "said to take 18446744073709551615 bytes"],
    ["a header of no bytes", file("", 0), 'must start with "{", got nothing'],
    ["a header shorter than it is", file({ a: f32(0, 4) }, 4, 10n), "is not JSON"],
    ["spaces before the header", file(" {}"), 'must start with "{", got 32'],
    ["no JSON", file("{nonsense}"), "is not JSON"],
    ["something behind the object", file("{} {}"), "is not JSON"],
    ["no UTF-8", file("{}").with(9, 0xff), "is not UTF-8"],
    ["a tensor that is no object", file('{"a":[1]}'), 'tensor "a": expected an object, got [1]'],
    ["an unknown type", file({ a: entry("F8", [1], 0, 1) }, 1), 'dtype "F8" is not one of F64, F32'],
    ["a type from Object's own names", file({ a: entry("toString", [1], 0, 1) }, 1), "is not one of"],
    ["no type", file({ a: { shape: [1], data_offsets: [0, 1] } }, 1), "dtype undefined is not one of"],
    ["a negative extent", file({ a: entry("U8", [-1], 0, 1) }, 1), "shape must be a list of whole numbers"],
    ["a fractional extent", file({ a: entry("U8", [0.5, 2], 0, 1) }, 1), "shape must be a list"],
    ["a shape that is a number", file({ a: entry("U8", 1, 0, 1) }, 1), "shape must be a list"],
    [
      "one offset",
      file({ a: { dtype: "U8", shape: [1], data_offsets: [1] } }, 1),
      "must be two whole numbers",
    ],
    ["a negative offset", file({ a: entry("U8", [2], -1, 1) }, 1), "must be two whole numbers of at least 0"],
    ["offsets as text", file({ a: entry("U8", [1], "0", "1") }, 1), "must be two whole numbers"],
    ["offsets the wrong way round", file({ a: entry("F32", [1], 4, 0) }, 4), "[4, 0] end before they begin"],
    ["a range out of the file", file({ a: f32(0, 8) }, 4), "reach beyond the 4 bytes of data"],
    [
      "a shape too large for its range",
      file({ a: entry("F32", [2], 0, 4) }, 4),
      "F32 [2] takes 8 bytes, data_offsets span 4",
    ],
    ["a shape whose product overflows", file({ a: entry("F32", [2 ** 40, 2 ** 40], 0, 4) }, 4), "takes"],
    [
      "ranges that overlap",
      file({ a: f32(0, 8), b: f32(4, 12) }, 12),
      'tensor "b" begins at 4 and overlaps tensor "a"',
    ],
    ["the same range twice", file({ a: f32(0, 4), b: f32(0, 4) }, 4), "overlaps"],
    [
      "a gap at the start",
      file({ a: f32(4, 8) }, 8),
      '4 bytes of data lie unused between the start of the data and tensor "a"',
    ],
    ["a gap in the middle", file({ b: f32(8, 12), a: f32(0, 4) }, 12), 'between tensor "a" and tensor "b"'],
    [
      "bytes behind the last tensor",
      file({ a: f32(0, 4) }, 5),
      '1 bytes of data lie unused after tensor "a"',
    ],
    ["data without tensors", file("{}", 3), "3 bytes of data lie unused"],
    [
      "a name twice",
      file(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        2,
      ),
      'the header names "a" twice',
    ],
    [
      "a field twice",
      file('{"a":{"dtype":"U8","shape":[9],"shape":[1],"data_offsets":[0,1]}}', 1),
      'the header names "shape" twice',
    ],
    ["metadata that is no object", file('{"__metadata__":"x"}'), "__metadata__ must be an object of texts"],
    ["metadata that is no text", file('{"__metadata__":{"k":1}}'), '__metadata__ "k" must be a text, got 1'],
    [
      "64-bit integers beyond 32 bits",
      file({ a: entry("I64", [2], 0, 16) }, raw(BigInt64Array.of(1n, 2n ** 31n))),
      'tensor "a", value 1 at byte 71: 2147483648 does not fit in 32 bits',
    ],
    [
      "unsigned 64-bit integers beyond 32 bits",
      file({ a: entry("U64", [1], 0, 8) }, raw(BigUint64Array.of(2n ** 32n))),
      "4294967296 does not fit in 32 bits",
    ],
    [
      "booleans of 2",
      file({ a: entry("BOOL", [2], 0, 2) }, Uint8Array.of(1, 2)),
      "a boolean is 0 or 1, got 2",
    ],
  ];
  test("headers that are deep, or of many tensors, names and numbers, are refused or read in little time", () => {
    const deep = [
      "[".repeat(5_000_000),
      `{"a":${"[".repeat(5_000_000)}${"]".repeat(5_000_000)}}`,
      '{"a":'.repeat(1_000_000),
      `{"__metadata__":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`,
    ];
    for (const header of deep) expect(() => readSafetensors(file(header))).toThrow(FormatError);
    const long = `{"a":{"dtype":"U8","shape":[${"1,".repeat(1_000_000)}1],"data_offsets":[0,1]}}`;
    expect(() => readSafetensors(file(long, 1))).toThrow("has 1000001 dimensions");
    const name = "n".repeat(1_000_000);
    const named = () =>
      readSafetensors(file(`{"${name}":{"dtype":"U9","shape":[],"data_offsets":[0,1]}}`, 1));
    expect(named).toThrow(FormatError);
    expect(named).toThrow(/^.{1,200}$/);
    const empty = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
    const many = Array.from({ length: 100_000 }, (_, i) => `"${i}":${empty}`).join(",");
    expect(readSafetensors(file(`{${many}}`)).tensors.size).toBe(100_000);
  });

  test.each(wrong)("refuses %s", (_, bytes, message) => {
    const read = () => readSafetensors(bytes, { name: "m", headerLimit: 1000 });
    expect(read).toThrow(FormatError);
    expect(read).toThrow(message);
  });

  test("any single damaged byte of a header gives a typed error or the same amount of data", async () => {
    const bytes = writeSafetensors([["w", { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]], { a: "b" });
    for (let i = 0; i < bytes.length - 16; i++) {
      for (const flip of [1, 2, 16, 32, 128]) {
        try {
          readSafetensors(bytes.with(i, (bytes[i] as number) ^ flip));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }
    }
  });
});

describe("writing", () => {
  test("the golden weights come out byte for byte", async () => {
    const bytes = await readFixture("golden/lenet5/initial_weights.safetensors");
    const { tensors, metadata } = readSafetensors(bytes);
    const written = writeSafetensors(tensors, metadata);
    expect(written).toHaveLength(bytes.length);
    expect(written.findIndex((byte, i) => byte !== bytes[i])).toBe(-1);
  });

  test("what is written is read back, in order, every value aligned to its size", () => {
    const tensors: [string, TensorToStore][] = [
      ["pixels", { shape: [3], data: Uint8Array.of(1, 2, 3) }],
      ["10", { shape: [1, 2], data: Float32Array.of(Number.NaN, 2) }],
      ["2", { shape: [], data: Int32Array.of(-1) }],
      ["wide", { shape: [1], data: Float64Array.of(0.1) }],
      ["words", { shape: [1], data: Uint32Array.of(4294967295) }],
      ["part", { shape: [2], data: new Float32Array([9, 8, 7, 6]).subarray(1, 3) }],
      ["none", { shape: [0, 5], data: new Float32Array(0) }],
    ];
    const bytes = writeSafetensors(tensors, { step: "12", note: "ä" });
    const back = readSafetensors(bytes);
    expect(back.metadata).toEqual({ step: "12", note: "ä" });
    expect([...back.tensors].map(([name, { shape, data }]) => [name, { shape, data }])).toEqual(tensors);
    const header = headerOf(bytes);
    expect((8 + new TextEncoder().encode(header).length) % 8).toBe(0);
    for (const [, begin] of header.matchAll(/"F64".*?\[(\d+),\d+\]\}/g)) expect(Number(begin) % 8).toBe(0);
    const parsed = JSON.parse(header) as Record<string, { dtype: string; data_offsets: [number, number] }>;
    for (const [name, { dtype, data_offsets }] of Object.entries(parsed)) {
      if (name === "__metadata__") continue;
      const width = { F64: 8, U8: 1 }[dtype] ?? 4;
      expect(data_offsets[0] % width).toBe(0);
    }
    expect(writeSafetensors(tensors, { step: "12", note: "ä" })).toEqual(bytes);
  });

  test("the header is compact and filled up with spaces", () => {
    const bytes = writeSafetensors([["a", { shape: [1], data: Uint8Array.of(5) }]]);
    expect(headerOf(bytes)).toBe('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   ');
    expect(bytes.at(-1)).toBe(5);
    expect(headerOf(writeSafetensors([]))).toBe("{}      ");
  });

  test("refuses shapes that don't fit and names that are taken", () => {
    const data = Float32Array.of(1, 2);
    expect(() => writeSafetensors([["a", { shape: [3], data }]])).toThrow(ValueError);
    expect(() => writeSafetensors([["a", { shape: [3], data }]])).toThrow(
      '"a" has 2 values, its shape [3] says 3',
    );
    expect(() => writeSafetensors([["a", { shape: [-1, -2], data }]])).toThrow(ValueError);
    const twice: [string, TensorToStore][] = [
      ["a", { shape: [2], data }],
      ["a", { shape: [2], data }],
    ];
    expect(() => writeSafetensors(twice)).toThrow('the name "a" is taken');
    expect(() => writeSafetensors([["__metadata__", { shape: [2], data }]])).toThrow("is taken");
  });
});
