/**
 * Every format that is read in a page too, fuzzed: 10,000 mutants each in Node, fewer in a page. Images, which pages
 * decode by themselves, are fuzzed in test/node.
 */
import { describe, expect, test } from "vitest";
import { gunzip } from "../../src/data/archives/gzip.ts";
import { parseTar } from "../../src/data/archives/tar.ts";
import { parseCsv } from "../../src/data/csv/parse-csv.ts";
import { type Dataset, validateDataset } from "../../src/data/dataset.ts";
import { datasetFromArrays, parseNpz } from "../../src/data/formats/arrays.ts";
import { parseIdx } from "../../src/data/formats/idx.ts";
import { parseNpy } from "../../src/data/formats/npy.ts";
import { decodeText } from "../../src/data/formats/number-lines.ts";
import { parseBoston } from "../../src/data/published/boston.ts";
import { parseCifarBatch } from "../../src/data/published/cifar10.ts";
import { parseDigits } from "../../src/data/published/digits.ts";
import { parseUsps } from "../../src/data/published/usps.ts";
import { readSafetensors, writeSafetensors } from "../../src/io/safetensors.ts";
import { trainBpe } from "../../src/tokenizers/bpe/train.ts";
import { characters } from "../../src/tokenizers/characters.ts";
import { fromGpt2, fromJson } from "../../src/tokenizers/files.ts";
import type { Tokenizer } from "../../src/tokenizers/tokenizer.ts";
import { FormatError } from "../../src/validation/errors.ts";
import { ascii, gzip, join, npy, tar, zip } from "../support/archives.ts";
import { type FuzzFormat, fuzz } from "../support/fuzz.ts";
import { inPage } from "../support/in-page.ts";

const COUNT = inPage ? 500 : 10_000;
/** What any mutant of these small files may become at most. */
const LIMIT = 1_000_000;

const trained = trainBpe("the theme of the hymn", { vocabSize: 262, specialTokens: ["<end>"] });
const tokenizerFile = JSON.stringify(trained);
const mergesFile = trained.parts.merges.map((pair) => pair.join(" ")).join("\n");
/** Its tokens are within the vocabulary; what they decode to is the text, as far as it knows its characters. */
function soundTokenizer(tokenizer: Tokenizer): boolean {
  for (const word of ["the hymn", "a", "<end>"]) {
    try {
      const ids = tokenizer.encode(word, { specialTokens: true });
      if (tokenizer.decode(ids) !== word || ids.some((id) => id >= tokenizer.vocabSize)) return false;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  return true;
}

const numbers = (n: number, make: (i: number) => number | string) =>
  Array.from({ length: n }, (_, i) => make(i));
const sound = (set: Dataset) => validateDataset(set).count > 0 && set.inputs.data.length < LIMIT;
const sizeOf = (shape: readonly number[]) => shape.reduce((product, extent) => product * extent, 1);

const idxFile = Uint8Array.of(
  0,
  0,
  8,
  3,
  0,
  0,
  0,
  2,
  0,
  0,
  0,
  2,
  0,
  0,
  0,
  3,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  9,
  10,
  11,
  12,
);
const text = ascii("hello hello hello hello ".repeat(20));
const uspsLine = (label: number) => `${label} ${numbers(256, (i) => (i / 128 - 1).toFixed(2)).join(" ")}\n`;
const digitsLine = (label: number) => `${numbers(64, (i) => i % 17).join(",")},${label}\n`;
const uci = ` ${numbers(14, (i) => i + 0.5).join("  ")}\n`;
const statlib = ` Prices\n\n ${numbers(11, (i) => i).join(" ")}\n  ${numbers(3, (i) => i).join(" ")}\n`;
const table = 'a,"b ""x""",kind\n1,2.5,red\n-3e2,4,"dark\nblue"\n5,6,red\n';

/** Puts the checksum of every header right whose place can be told. */
function repairTar(bytes: Uint8Array): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes[at + 257] !== 0x75) continue;
    const header = bytes.subarray(at, at + 512);
    header.fill(0x20, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.set(ascii(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  }
}

const arrays = { "x.npy": npy("|u1", [2, 2], [1, 2, 3, 4]), "y.npy": npy("|u1", [2], [0, 1]) };

const formats: FuzzFormat[] = [
  {
    name: "IDX",
    files: [idxFile],
    read: (bytes, file) => {
      const { shape, data } = parseIdx(bytes, 3, file);
      return sizeOf(shape) === data.length;
    },
  },
  {
    name: "gzip",
    files: [await gzip(text), join(await gzip(text), await gzip(ascii("more")), new Uint8Array(9))],
    read: async (bytes, file) => (await gunzip(bytes, { name: file, limit: LIMIT })).length <= LIMIT,
  },
  {
    name: "tar",
    files: [
      tar(
        { path: "a", content: text },
        { path: "long", content: ascii("b\0"), type: "L" },
        { path: "b", content: text },
      ),
    ],
    repair: repairTar,
    words: ["00000000777\0", "12 path=x\n", "ustar"],
    read: (bytes, file) =>
      [...parseTar(bytes, file).values()].every((content) => content.length <= bytes.length),
  },
  {
    name: "CIFAR-10",
    files: [join(Uint8Array.of(3), new Uint8Array(3072).fill(7), Uint8Array.of(9), new Uint8Array(3072))],
    read: (bytes, file) => {
      const { count, images, labels } = parseCifarBatch(bytes, file);
      return images.length === count * 3072 && labels.every((label) => label < 10);
    },
  },
  {
    name: "USPS",
    files: [ascii(uspsLine(3) + uspsLine(9))],
    read: (bytes, file) => sound(parseUsps(bytes, "train", file)),
  },
  {
    name: "digits",
    files: [ascii(digitsLine(3) + digitsLine(9))],
    words: ["17", "16", "0.5"],
    read: (bytes, file) => sound(parseDigits(bytes, file)),
  },
  {
    name: "Boston",
    files: [ascii(uci + uci + uci), ascii(statlib)],
    words: ["\n 1 2 3", "396.9"],
    read: (bytes, file) => sound(parseBoston(bytes, file)),
  },
  {
    name: "CSV",
    files: [
      ascii(table),
      ascii(table.replaceAll(",", ";")),
      ascii("1\t2\t0\n3\t4\t1\n"),
      ascii("# x\n;a;b;y\n1;1,5;True;9007199254740993\n2;2,5;false;x\n"),
    ],
    words: [
      "\ufeff",
      "5%",
      "1,234",
      "2024-01-31",
      "Unnamed: 0",
      "sep=;\n",
      '""',
      '"\n',
      "\t",
      ",,",
      "1e39",
      "red",
      "\r\n",
    ],
    read: (bytes, file) => sound(parseCsv(bytes, { label: -1, name: file })),
  },
  {
    name: "npy",
    files: [
      npy("<f4", [2, 2], numbers(16, (i) => i) as number[]),
      npy(">i8", [2], numbers(16, (i) => (i % 8 === 7 ? 3 : 0)) as number[]),
      npy("|u1", [2, 3, 1], [1, 2, 3, 4, 5, 6], true),
    ],
    words: ["(9999999999999,)", "True", "<f8", "|O", "(2, 2)", "'shape': ()", "[('a', '<f4')]"],
    read: (bytes, file) => {
      const { shape, data } = parseNpy(bytes, file);
      return sizeOf(shape) === data.length && data.length <= bytes.length;
    },
  },
  {
    name: "npz",
    files: [await zip(arrays), await zip(arrays, "stored")],
    words: ["PK\u0001\u0002", "PK\u0005\u0006", "x.npy"],
    read: async (bytes, file) => {
      const read = await parseNpz(bytes, { name: file, limit: LIMIT });
      const [x, y] = [read.get("x"), read.get("y")];
      return !x || !y || sound(datasetFromArrays(x, y, { name: file }));
    },
  },
  {
    name: "safetensors",
    files: [
      writeSafetensors(
        new Map([
          ["w", { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
          ["b", { shape: [2], data: Int32Array.of(1, 2) }],
        ]),
        { recipe: "lenet5" },
      ),
    ],
    words: [
      "[",
      "}",
      '"F16"',
      '"BF16"',
      '"I64"',
      '"BOOL"',
      '"U16"',
      '"__proto__"',
      "[0,99999999999]",
      "null",
      "-1",
      '"w"',
      "1e5",
    ],
    read: (bytes, file) => {
      const { tensors } = readSafetensors(bytes, { name: file });
      return [...tensors.values()].every(({ shape, data }) => sizeOf(shape) === data.length);
    },
  },
  {
    name: "tokenizer.json",
    files: [tokenizerFile, JSON.stringify(characters("abc", { specialTokens: ["<end>"] }))].map(ascii),
    words: [
      "[",
      "}",
      '"',
      "null",
      "-1",
      "1e9",
      "true",
      '"model"',
      '"BPE"',
      '"Unigram"',
      "__proto__",
      " ",
      "Digits",
      "\\u0000",
    ],
    read: (bytes, file) => soundTokenizer(fromJson(decodeText(bytes, file), { name: file })),
  },
  {
    name: "GPT-2's vocabulary",
    // Both files in one, with a line of their own between.
    files: [ascii(`${JSON.stringify(Object.fromEntries(trained.parts.vocab))}\n---\n${mergesFile}`)],
    words: ["\n---\n", " ", "#version", "0", "256", ":", '"a"'],
    read: (bytes, file) => {
      const [vocab = "", merges = ""] = decodeText(bytes, file).split("\n---\n");
      return soundTokenizer(fromGpt2(vocab, merges, { name: file }));
    },
  },
];

describe("fuzz", () => {
  test.each(formats)("$name", async (format) => {
    // The files themselves are sound, or nothing would be learned.
    for (const file of format.files) expect(await format.read(file, "file"), format.name).toBe(true);
    const { refused, accepted, failures, slowestMs } = await fuzz(format, COUNT);
    expect(failures.slice(0, 3), `${failures.length} failures`).toEqual([]);
    expect(refused + accepted).toBe(COUNT);
    expect(refused).toBeGreaterThan(COUNT / 20);
    console.info(
      `${format.name}: ${refused} refused, ${accepted} accepted, slowest ${slowestMs.toFixed(0)} ms`,
    );
  });

  test("notices crashes, unsound results and errors that name no file", async () => {
    const crash: FuzzFormat = {
      name: "toy",
      files: [ascii("hello")],
      read: (bytes) => {
        if (bytes.length < 4) throw new TypeError("boom");
        if (bytes.length > 6) throw new FormatError("somewhere");
        return bytes[0] === 0x68;
      },
    };
    const all = (await fuzz(crash, 300)).failures.join("\n");
    expect(all).toContain("TypeError: boom");
    expect(all).toContain("does not name the file: somewhere");
    expect(all).toContain("the result is not sound");
  });
});
