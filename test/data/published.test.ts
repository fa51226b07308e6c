/** CIFAR-10, USPS, digits and Boston housing in small: every form they come in, and every way they can be broken. */
import { describe, expect, test } from "vitest";
import { parseTar } from "../../src/data/archives/tar.ts";
import { parseBoston } from "../../src/data/published/boston.ts";
import { cifar10SourceOf, parseCifarBatch, parseCifarNames } from "../../src/data/published/cifar10.ts";
import { sha256Hex } from "../../src/data/published/dataset-source.ts";
import { digitsSource, parseDigits } from "../../src/data/published/digits.ts";
import { parseUsps } from "../../src/data/published/usps.ts";
import { DataError, FormatError } from "../../src/validation/errors.ts";
import { ascii, gzip, join, tar } from "../support/archives.ts";

describe("parseTar", () => {
  const content = ascii("some text");
  test("files by name, padding left off, long names in both ways", () => {
    const long = "x/".repeat(80);
    const files = parseTar(
      tar(
        { path: "folder/", content: new Uint8Array(0), type: "5" },
        { path: "folder/a", content },
        { path: "b", content: new Uint8Array(512), prefix: "deep" },
        { path: "././@LongLink", content: ascii(`${long}\0`), type: "L" },
        { path: long.slice(0, 100), content },
        { path: "pax", content: ascii(`18 mtime=123.45\n${long.length + 10} path=${long}2\n`), type: "x" },
        { path: "short", content },
        { path: "last", content },
      ),
    );
    expect([...files.keys()]).toEqual(["folder/a", "deep/b", long, `${long}2`, "last"]);
    expect(files.get("folder/a")).toEqual(content);
    expect(files.get("deep/b")).toHaveLength(512);
  });

  const good = tar({ path: "a", content });
  const wrong: [what: string, bytes: Uint8Array, message: string][] = [
    ["an empty file", new Uint8Array(0), "f: truncated, expected a header at byte 0"],
    ["no end", good.subarray(0, 1024), "f: truncated, expected a header at byte 1024"],
    ["a changed name", good.with(0, 0x62), "not a tar header at byte 0, expected the checksum"],
    ["text", ascii("hello ".repeat(200)), "expected an octal number at 148"],
    [
      "content cut off",
      join(good.subarray(0, 600)).subarray(0, 516),
      '"a" takes 9 bytes from byte 512 on, 4 are there',
    ],
  ];
  test.each(wrong)("refuses %s", (_, bytes, message) => {
    expect(() => parseTar(bytes, "f")).toThrow(FormatError);
    expect(() => parseTar(bytes, "f")).toThrow(message);
  });
});

/** Records whose pixels are all `label + shade`. */
const batch = (shade: number, ...labels: number[]) =>
  join(...labels.flatMap((label) => [Uint8Array.of(label), new Uint8Array(3072).fill(label + shade)]));

describe("CIFAR-10", () => {
  const files: Record<string, Uint8Array> = {
    "data_batch_1.bin": batch(10, 3, 0),
    "data_batch_2.bin": batch(20, 9),
    "data_batch_3.bin": batch(30, 1),
    "data_batch_4.bin": batch(40, 2),
    "data_batch_5.bin": batch(50, 4),
    "test_batch.bin": batch(60, 5, 6),
    "batches.meta.txt": ascii("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n"),
  };
  const source = async () => {
    const published: Record<string, { bytes: number; sha256: string }> = {};
    for (const [name, bytes] of Object.entries(files)) {
      published[name] = { bytes: bytes.length, sha256: await sha256Hex(bytes) };
    }
    return cifar10SourceOf(published);
  };
  const none = async (name: string): Promise<Uint8Array> => {
    throw new DataError(`${name} is missing`);
  };
  const folder = (there: Record<string, Uint8Array>) => async (name: string) => there[name];
  const archive = (names: string[]) =>
    gzip(
      tar(
        ...names.map((name) => ({
          path: `cifar-10-batches-bin/${name}`,
          content: files[name] as Uint8Array,
        })),
      ),
    );

  test("the published archive, fetched or lying there", async () => {
    const packed = await archive(Object.keys(files));
    const read = await (await source()).read(async () => packed);
    expect([read.train.count, read.test.count, read.note]).toEqual([6, 2, undefined]);
    expect([...read.train.labels]).toEqual([3, 0, 9, 1, 2, 4]);
    expect(read.train.classNames?.[3]).toBe("d");
    expect(read.train.inputs.data[3072 * 2 + 5]).toBe(29);
    const lying = await (await source()).read(none, folder({ "cifar-10-binary.tar.gz": packed }));
    expect(lying).toEqual(read);
  });

  test("the batches that are there, in any form, said plainly", async () => {
    const there = {
      "data_batch_1.bin": files["data_batch_1.bin"] as Uint8Array,
      "data_batch_2.bin.gz": await gzip(files["data_batch_2.bin"] as Uint8Array),
      "cifar-10-batches-bin/test_batch.bin": files["test_batch.bin"] as Uint8Array,
    };
    const { train, test: held, note } = await (await source()).read(none, folder(there));
    expect([...train.labels]).toEqual([3, 0, 9]);
    expect([...held.labels]).toEqual([5, 6]);
    expect(note).toBe("3 of 50,000 training images: batches 1, 2 of 5");
    expect(train.classNames?.[9]).toBe("truck");
  });

  test("refuses other contents, and sets that lack a part", async () => {
    const cifar = await source();
    const changed = folder({ "data_batch_1.bin": batch(11, 3, 0), "test_batch.bin": batch(60, 5, 6) });
    await expect(cifar.read(none, changed)).rejects.toThrow(
      "cifar10/data_batch_1.bin: content: expected sha256",
    );
    const { "test_batch.bin": _, ...rest } = files;
    await expect(cifar.read(none, folder(rest))).rejects.toThrow("there is no test_batch.bin");
    const held = folder({ "test_batch.bin": files["test_batch.bin"] as Uint8Array });
    await expect(cifar.read(none, held)).rejects.toThrow("there is no data_batch_1.bin or another batch");
    await expect(cifar.read(none, folder({}))).rejects.toThrow("cifar-10-binary.tar.gz is missing");
    const empty = await archive([]);
    await expect(cifar.read(async () => empty)).rejects.toThrow("holds no test_batch.bin");
  });

  test("refuses broken batches and names", () => {
    expect(() => parseCifarBatch(new Uint8Array(0), "f")).toThrow(
      "f: expected whole records of 3073 bytes, got 0",
    );
    expect(() => parseCifarBatch(batch(0, 1).subarray(1), "f")).toThrow(FormatError);
    expect(() => parseCifarBatch(batch(0, 1, 10), "f")).toThrow(
      "f: record 1, byte 3073: expected a label from 0 to 9",
    );
    expect(() => parseCifarNames(ascii("a\nb\n"), "f")).toThrow(
      "f: expected 10 class names, one a line, got 2 lines",
    );
  });
});

describe("USPS", () => {
  const pixels = Array.from({ length: 256 }, (_, i) => (i / 128 - 1).toFixed(4));
  test("either way of writing", () => {
    const text = `6.0000 ${pixels.join(" ")} \n9 ${pixels.map(Number).join(" ")}\n`;
    const set = parseUsps(ascii(text), "train");
    expect([set.count, ...set.labels]).toEqual([2, 6, 9]);
    expect(set.inputs.data.subarray(0, 256)).toEqual(set.inputs.data.subarray(256));
    expect(set.inputs.data[0]).toBe(-1);
  });
  const wrong: [what: string, text: string, message: string][] = [
    ["nothing", "\n\n", "f: holds no samples"],
    ["a short line", `\n6 ${pixels.slice(1).join(" ")}\n`, "f: line 2: expected 257 numbers"],
    [
      "a fraction as label",
      `6.5 ${pixels.join(" ")}`,
      "f: line 1, label: expected a whole number from 0 to 9, got 6.5",
    ],
    [
      "a pixel too dark",
      `6 ${pixels.with(3, "1.5").join(" ")}`,
      "f: line 1, value 5: expected a pixel in [-1, 1], got 1.5",
    ],
    ["NaN", `6 ${pixels.with(0, "NaN").join(" ")}`, 'f: line 1, value 2: expected a number, got "NaN"'],
    [
      "a number in another system",
      `6 ${pixels.with(0, "0x1").join(" ")}`,
      'value 2: expected a number, got "0x1"',
    ],
  ];
  test.each(wrong)("refuses %s", (_, text, message) => {
    expect(() => parseUsps(ascii(text), "train", "f")).toThrow(FormatError);
    expect(() => parseUsps(ascii(text), "train", "f")).toThrow(message);
  });
});

describe("digits", () => {
  const line = (label: number) => `${Array.from({ length: 64 }, (_, i) => i % 17).join(",")},${label}`;
  test("bytes from 0 to 16, and their labels", () => {
    const set = parseDigits(ascii(`${line(3)}\r\n${line(8)}\n`));
    expect([...set.labels]).toEqual([3, 8]);
    expect(set.inputs).toMatchObject({ shape: [1, 8, 8], scale: 1 / 16 });
    expect(set.inputs.data).toBeInstanceOf(Uint8Array);
    expect(set.inputs.data[64 + 20]).toBe(3);
  });
  test("refuses other lines, other values and other contents", async () => {
    expect(() => parseDigits(ascii(`${line(3)},1`), "f")).toThrow("f: line 1: expected 65 numbers");
    expect(() => parseDigits(ascii(`${line(3)}\n${line(10)}`), "f")).toThrow("f: line 2, label");
    expect(() => parseDigits(ascii(line(3).replace("16", "17")), "f")).toThrow(
      "value 17: expected a whole number",
    );
    expect(() => parseDigits(ascii("1,,2"), "f")).toThrow('f: line 1, value 2: expected a number, got ""');
    expect(() => parseDigits(new Uint8Array(0), "f")).toThrow("f: holds no samples");
    const packed = await gzip(ascii(line(3)));
    const find = async (name: string) => (name === "digits.csv.gz" ? packed : undefined);
    await expect(digitsSource.read(async () => packed, find)).rejects.toThrow(
      "digits/digits.csv.gz: content: expected 264712 bytes",
    );
  });
});

describe("Boston housing", () => {
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `${from + i}.5`).join("  ");
  test("one record a line, and over two lines behind prose", () => {
    const uci = parseBoston(ascii(` ${numbers(0, 14)}\n ${numbers(1, 15)}\n`));
    const prose = "Prices of 1978 in $1000's\n\n 5 columns\n";
    const records = ` ${numbers(0, 11)}\n  ${numbers(11, 14)}\n ${numbers(1, 12)}\n  ${numbers(12, 15)}\n`;
    expect(parseBoston(ascii(prose + records))).toEqual(uci);
    expect([uci.count, ...uci.labels]).toEqual([2, 13.5, 14.5]);
    expect(uci.inputs.data[13]).toBe(1.5);
  });
  const wrong: [what: string, text: string, message: string][] = [
    ["prose alone", "no numbers here\n", "f: holds no line of numbers"],
    ["nothing", "", "f: holds no line of numbers"],
    [
      "a record of 13",
      `${numbers(0, 14)}\n${numbers(0, 13)}`,
      "f: line 2: expected 14 or 11 numbers, got 13",
    ],
    ["half a record too long", `${numbers(0, 11)}\n${numbers(0, 4)}`, "f: line 2: expected 3 numbers, got 4"],
    [
      "half a record",
      `${numbers(0, 14)}\n${numbers(0, 11)}\n`,
      "the record of line 2 lacks its last 3 numbers",
    ],
    [
      "text in a record",
      `${numbers(0, 14)}\n${numbers(0, 13)} NA`,
      'f: line 2, value 14: expected a number, got "NA"',
    ],
  ];
  test.each(wrong)("refuses %s", (_, text, message) => {
    expect(() => parseBoston(ascii(text), "f")).toThrow(FormatError);
    expect(() => parseBoston(ascii(text), "f")).toThrow(message);
  });
});
