/** Tokenizers of characters, bytes and byte pairs: round trips, streams, training, files, and encoding against a slow loop. */
import { describe, expect, it } from "vitest";
import { tokenizers } from "../../src/index.ts";
import { Heap } from "../../src/numbers/heap.ts";
import { Random } from "../../src/numbers/random.ts";
import { piecesOf } from "../../src/tokenizers/bpe/splits.ts";
import { FormatError, ValueError } from "../../src/validation/errors.ts";

const { bytes, characters, fromGpt2, fromJson, trainBpe } = tokenizers;
const END = "<|end|>";
const SAMPLE = `It's the theme of the hymn: they're there, 1234 times — "Ünïcödé" ÷ 日本語 日本 👩‍👩‍👧‍👦 👩‍👧!
  Then   the   other,\tthe   others'   thermometers. `.repeat(3);
const bpe = trainBpe(SAMPLE, { vocabSize: 360, specialTokens: [END] });
const kinds: [string, tokenizers.Tokenizer][] = [
  ["bytes", bytes({ specialTokens: [END] })],
  ["byte pairs", bpe],
  [
    "byte pairs, Llama's splits",
    trainBpe(SAMPLE, { vocabSize: 320, splits: ["llama3"], specialTokens: [END] }),
  ],
  ["byte pairs, no splits", trainBpe(SAMPLE, { vocabSize: 300, splits: [], specialTokens: [END] })],
];

const RANGES = [
  [0, 0x7f],
  [0, 0x7f],
  [0x20, 0x7e],
  [0x80, 0x24f],
  [0x300, 0x36f],
  [0x2000, 0x206f],
  [0x4e00, 0x4fff],
  [0xfe00, 0xfeff],
  [0x1f300, 0x1f6ff],
  [0x10000, 0x10ffff],
];
/** No surrogates; white space, apostrophes and the byte order mark often. */
function randomText(random: Random): string {
  const below = (n: number) => Math.floor(random.uniform() * n);
  return Array.from({ length: below(40) }, () => {
    if (below(4) === 0) return [" ", "  ", "\n", "'s", "'LL", "\ufeff", "\u0085", "the", "12"][below(9)];
    const [low, high] = RANGES[below(RANGES.length)] as [number, number];
    return String.fromCodePoint(low + below(high - low + 1));
  }).join("");
}
const texts = Array.from({ length: 300 }, (_, i) => randomText(new Random(5, i)));

describe.each(kinds)("%s", (_, tokenizer) => {
  it("decodes what it encodes", () => {
    for (const text of ["", " ", "e\u0301", "\ufeffa\ufeff", END, ...texts]) {
      const ids = tokenizer.encode(text);
      expect(ids.every((id) => id >= 0 && id < tokenizer.vocabSize)).toBe(true);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  it("gives whole characters when tokens arrive one by one", () => {
    for (const text of texts) {
      const stream = tokenizer.decodeStream();
      const parts = Array.from(tokenizer.encode(text), (id) => stream.push(id));
      expect(parts.join("") + stream.end()).toBe(text);
      expect(parts.join("")).toBe(text);
      for (const part of parts) expect(part.includes("\ufffd")).toBe(false);
    }
  });

  it("takes special tokens as text, unless it is told otherwise", () => {
    const special = tokenizer.specialTokens.get(END) as number;
    expect(special).toBe(tokenizer.vocabSize - 1);
    const text = `a${END}${END} b`;
    expect([...tokenizer.encode(text)]).not.toContain(special);
    const ids = tokenizer.encode(text, { specialTokens: true });
    expect([...ids].filter((id) => id === special)).toHaveLength(2);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe("a b");
  });

  it("is the same after JSON", () => {
    const json = JSON.stringify(tokenizer);
    const again = fromJson(json);
    expect(JSON.stringify(again)).toBe(json);
    expect(again.vocabSize).toBe(tokenizer.vocabSize);
    for (const text of [END, ...texts]) {
      const options = { specialTokens: true };
      expect(again.encode(text, options)).toEqual(tokenizer.encode(text, options));
    }
  });

  it("makes lone surrogates, and bytes that are not UTF-8, U+FFFD", () => {
    expect(tokenizer.decode(tokenizer.encode("a\ud800b\udc00"))).toBe("a\ufffdb\ufffd");
    const euro = tokenizer.encode("€");
    if (euro.length === 3) expect(tokenizer.decode(euro.subarray(0, 2))).toBe("\ufffd");
    const stream = tokenizer.decodeStream();
    expect(stream.push(tokenizer.encode("é").subarray(0, 1)) + stream.end()).toMatch(/^(é|\ufffd)$/);
    expect(stream.push(tokenizer.encode("x"))).toBe("x");
  });

  it("refuses numbers that are no tokens", () => {
    for (const id of [-1, tokenizer.vocabSize, 0.5, Number.NaN]) {
      expect(() => tokenizer.decode([id])).toThrow(
        new ValueError(`decode: ${id} is none of the ${tokenizer.vocabSize} tokens`),
      );
    }
    expect(() => tokenizer.encode(7 as never)).toThrow("encode: text must be a string, got 7");
  });
});

describe("characters", () => {
  it("numbers the characters of a text by code points, or takes a list", () => {
    const tokenizer = characters("b👩a\ud800ab", { specialTokens: [END] });
    expect(tokenizer.characters).toEqual(["a", "b", "\ud800", "👩"]);
    expect([...tokenizer.encode(`👩b\ud800${END}`, { specialTokens: true })]).toEqual([3, 1, 2, 4]);
    expect(tokenizer.decode([3, 2, 0])).toBe("👩\ud800a");
    expect(fromJson(JSON.stringify(tokenizer)).encode("👩b")).toEqual(Int32Array.of(3, 1));
    expect([...characters(["z", "a"]).encode("az")]).toEqual([1, 0]);
  });

  it("refuses characters that it does not know, and lists of other things", () => {
    expect(() => characters("ab").encode("abc")).toThrow(
      new FormatError('text: holds "c", which the model does not know'),
    );
    expect(() => characters(["a", "bc"])).toThrow('characters: "bc" is not one character');
    expect(() => characters(["a", "a"])).toThrow("characters: one of them is there twice");
    expect(() => characters(7 as never)).toThrow("characters: needs a text or a list of characters, got 7");
    expect(() => characters("a", { specialTokens: ["x", "x"] })).toThrow("has one of them twice");
    expect(() => bytes({ specialTokens: [""] })).toThrow("specialTokens must be texts that are not empty");
  });
});

/** GPT-2's loop, on strings of visible ASCII: merges the pair of lowest rank everywhere, until there is none. */
function slowEncode({ parts }: tokenizers.BytePairTokenizer, piece: string): string[] {
  const ranks = new Map(parts.merges.map(([a, b], rank) => [`${a} ${b}`, rank]));
  let tokens = [...piece];
  for (;;) {
    const rankAt = (i: number) => ranks.get(`${tokens[i]} ${tokens[i + 1]}`) ?? Number.POSITIVE_INFINITY;
    const best = Math.min(...tokens.map((_, i) => rankAt(i)));
    if (best === Number.POSITIVE_INFINITY) return tokens;
    const merged: string[] = [];
    for (let i = 0; i < tokens.length; i++) {
      if (rankAt(i) === best) merged.push(`${tokens[i]}${tokens[++i]}`);
      else merged.push(tokens[i] as string);
    }
    tokens = merged;
  }
}

describe("splits", () => {
  const text = "I'll SHE'LL  see 12345 €²s.\n\n x\u00a0\ufeff";
  it.each<[tokenizers.SplitName[], string[]]>([
    [
      ["gpt2"],
      [
        "I",
        "'ll",
        " SHE",
        "'",
        "LL",
        " ",
        " see",
        " 12345",
        " €",
        "²",
        "s",
        ".",
        "\n\n",
        " x",
        "\u00a0",
        "\ufeff",
      ],
    ],
    [
      ["llama3"],
      [
        "I",
        "'ll",
        " SHE",
        "'LL",
        " ",
        " see",
        " ",
        "123",
        "45",
        " €",
        "²",
        "s",
        ".\n\n",
        " x",
        "\u00a0",
        "\ufeff",
      ],
    ],
    [
      ["qwen2"],
      [
        "I",
        "'ll",
        " SHE",
        "'LL",
        " ",
        " see",
        " ",
        "1",
        "2",
        "3",
        "4",
        "5",
        " €",
        "²",
        "s",
        ".\n\n",
        " x",
        "\u00a0",
        "\ufeff",
      ],
    ],
    [
      ["digits", "gpt2"],
      [
        "I",
        "'ll",
        " SHE",
        "'",
        "LL",
        " ",
        " see",
        " ",
        "1",
        "2",
        "3",
        "4",
        "5",
        " €",
        "²",
        "s",
        ".",
        "\n\n",
        " x",
        "\u00a0",
        "\ufeff",
      ],
    ],
    [[], [text]],
  ])("%j", (splits, pieces) => {
    expect([...piecesOf(text, splits)]).toEqual(pieces);
  });
});

describe("byte pairs", () => {
  it("merges as the slow loop does", () => {
    const words = ["the", "he", "r", "t", "them", "mo", "ee", "ther", "rs", "aaaa", "s"];
    const random = new Random(3);
    for (let i = 0; i < 200; i++) {
      const length = 1 + Math.floor(random.uniform() * 12);
      const word = Array.from({ length }, () => words[Math.floor(random.uniform() * words.length)]).join("");
      const expected = slowEncode(bpe, word).map((token) => bpe.parts.vocab.get(token));
      expect([...bpe.encode(word)]).toEqual(expected);
    }
  });

  it("learns the most frequent pairs; of equals, the first", () => {
    // "ab" and "bc" 3 times; later "xy" and two pairs with a space 2 times, of which the space has the higher number.
    const { parts } = trainBpe("abc abc abc xy xy", { vocabSize: 261, splits: ["gpt2"] });
    const merges = ["a b", "ab c", "x y", "Ġ abc", "Ġ xy"].map((pair) => pair.split(" "));
    expect(parts.merges).toEqual(merges);
    expect([...parts.vocab.values()].slice(256)).toEqual([256, 257, 258, 259, 260]);
  });

  it("trains as a loop that counts all pairs anew", () => {
    const random = new Random(11);
    for (let round = 0; round < 20; round++) {
      const words = Array.from({ length: 30 }, () =>
        Array.from(
          { length: 1 + Math.floor(random.uniform() * 8) },
          () => "abc"[Math.floor(random.uniform() * 3)],
        ).join(""),
      );
      const { parts } = trainBpe(words, { vocabSize: 290, minFrequency: 1 });
      expect(parts.merges).toEqual(slowTrain(words, 290 - 256));
    }
  });

  it("depends on nothing but text and options, and stops where nothing is left to merge", () => {
    expect(JSON.stringify(trainBpe([SAMPLE], { vocabSize: 360, specialTokens: [END] }))).toBe(
      JSON.stringify(bpe),
    );
    const small = trainBpe("ab ab", { vocabSize: 1000, specialTokens: [END] });
    expect(small.vocabSize).toBe(258);
    expect([...small.encode(`ab${END}`, { specialTokens: true })]).toEqual([256, 257]);
    expect(trainBpe("", { vocabSize: 300 }).vocabSize).toBe(256);
    expect(bpe.vocabSize).toBeLessThanOrEqual(360);
    expect(bpe.encode(SAMPLE).length).toBeLessThan(SAMPLE.length / 2);
  });

  it("takes long pieces in little time", () => {
    const text = "the".repeat(20_000);
    const ids = bpe.encode(text);
    expect(bpe.decode(ids)).toBe(text);
    expect(ids.length).toBeLessThan(30_000);
  });

  it("refuses options out of range", () => {
    expect(() => trainBpe("a", { vocabSize: 255 })).toThrow(
      "trainBpe: vocabSize must be a whole number from 256 to",
    );
    expect(() => trainBpe("a", { vocabSize: 300, minFrequency: 0 })).toThrow("minFrequency must be");
    expect(() => trainBpe("a", { vocabSize: 300, splits: ["gpt"] as never })).toThrow('did you mean "gpt2"?');
    expect(() => trainBpe([7] as never, { vocabSize: 300 })).toThrow("texts must be strings, got 7");
    expect(() => trainBpe("a", {} as never)).toThrow("trainBpe: needs vocabSize");
  });
});

/** The merges of words without spaces, by counting all pairs before each merge. Words of one letter have none. */
function slowTrain(words: readonly string[], most: number): [string, string][] {
  const ids = new Map([..."abc"].map((c) => [c, c.charCodeAt(0) - 0x21]));
  const merges: [string, string][] = [];
  let pieces = words.map((word) => [...word]);
  while (ids.size - 3 < most) {
    const counts = new Map<string, number>();
    for (const piece of pieces)
      for (let i = 0; i + 1 < piece.length; i++) {
        const pair = `${piece[i]} ${piece[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    const order = (pair: string) =>
      pair.split(" ").map((token) => ids.get(token) as number) as [number, number];
    const [best] = [...counts].sort(
      ([a, n], [b, m]) => m - n || order(a)[0] - order(b)[0] || order(a)[1] - order(b)[1],
    );
    if (best === undefined) break;
    const [left, right] = best[0].split(" ") as [string, string];
    if (!ids.has(left + right)) ids.set(left + right, 256 + ids.size - 3);
    if (!merges.some(([a, b]) => a === left && b === right)) merges.push([left, right]);
    pieces = pieces.map((piece) => {
      const merged: string[] = [];
      for (let i = 0; i < piece.length; i++) {
        if (piece[i] === left && piece[i + 1] === right) merged.push(left + (piece[++i] as string));
        else merged.push(piece[i] as string);
      }
      return merged;
    });
  }
  return merges;
}

describe("files", () => {
  const json = () => JSON.parse(JSON.stringify(bpe));
  const read = (change: (file: ReturnType<typeof json>) => void) => {
    const file = json();
    change(file);
    return fromJson(JSON.stringify(file), { name: "t.json" });
  };

  it("of GPT-2 give the same tokens, whatever is no merge is special", () => {
    const vocab = JSON.stringify({ ...Object.fromEntries(bpe.parts.vocab), [END]: bpe.vocabSize - 1 });
    const merges = `#version: 0.2\n${bpe.parts.merges.map((pair) => pair.join(" ")).join("\n")}\n`;
    const tokenizer = fromGpt2(vocab, merges);
    expect(tokenizer.specialTokens).toEqual(bpe.specialTokens);
    for (const text of [SAMPLE, ...texts]) expect(tokenizer.encode(text)).toEqual(bpe.encode(text));
    expect(() => fromGpt2(vocab, "a b c")).toThrow("vocab.json: line 1 of the merges must be two tokens");
    expect(() => fromGpt2(vocab, "q z")).toThrow('vocab.json: the vocabulary has no token "qz"');
    const [first] = bpe.parts.merges;
    const twice = `${first?.join(" ")}\n`.repeat(2);
    expect(() => fromGpt2(vocab, twice)).toThrow(
      `vocab.json: merges "${first?.[0]}" and "${first?.[1]}" twice`,
    );
    expect(() => fromGpt2("{}", "", { name: "mine" })).toThrow("mine: the vocabulary has no token");
  });

  it("of Hugging Face are read in their other spellings", () => {
    const same = read((file) => {
      file.model.merges = file.model.merges.map((pair: string[]) => pair.join(" "));
      file.pre_tokenizer = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
      file.model.vocab[END] = bpe.vocabSize - 1;
    });
    for (const text of texts) expect(same.encode(text)).toEqual(bpe.encode(text));
    const digits = read((file) =>
      file.pre_tokenizer.pretokenizers.unshift({ type: "Digits", individual_digits: true }),
    );
    expect((digits as typeof bpe).parts.splits).toEqual(["digits", "gpt2"]);
    expect(digits.encode("1234").length).toBe(4);
    const nfc = read((file) => {
      file.normalizer = { type: "NFC" };
    });
    expect(nfc.decode(nfc.encode("e\u0301"))).toBe("\u00e9");
  });

  it("may ask for pieces that are tokens as they are", () => {
    // No merge leads to it.
    const whole = (on: boolean) =>
      read((file) => {
        file.model.vocab.qzq = 5000;
        file.model.ignore_merges = on;
      });
    expect([...whole(true).encode("qzq")]).toEqual([5000]);
    expect(whole(false).encode("qzq").length).toBe(3);
    expect(whole(true).vocabSize).toBe(5001);
    expect(() => whole(true).decode([4999])).toThrow("decode: 4999 is none of the 5001 tokens");
  });

  it.each<[string, (file: ReturnType<typeof json>) => void, string]>([
    [
      "another kind",
      (f) => (f.model.type = "Unigram"),
      "t.json: model: is of kind Unigram; only byte-level BPE",
    ],
    [
      "a prefix",
      (f) => (f.model.continuing_subword_prefix = "##"),
      "continuing_subword_prefix: must be null",
    ],
    ["dropout", (f) => (f.model.dropout = 0.1), "dropout: must be null or 0"],
    ["byte fallback", (f) => (f.model.byte_fallback = true), "byte_fallback: must be false"],
    ["lower case", (f) => (f.normalizer = { type: "Lowercase" }), "normalizer: is of kind Lowercase"],
    ["another decoder", (f) => (f.decoder = { type: "Metaspace" }), "decoder: must be of kind ByteLevel"],
    ["no splits", (f) => (f.pre_tokenizer = null), "pre_tokenizer: expected an object, got null"],
    [
      "another split",
      (f) => (f.pre_tokenizer.pretokenizers[0].pattern.Regex = "(a+)+$"),
      "is a split that is not known",
    ],
    [
      "a space before",
      (f) => (f.pre_tokenizer.pretokenizers[1].add_prefix_space = true),
      "add_prefix_space: must be false",
    ],
    ["spaces of tokens", (f) => (f.added_tokens[0].lstrip = true), "lstrip: must be false"],
    ["a number twice", (f) => (f.model.vocab.t = 3), "vocab: has two tokens with the same number"],
    [
      "a huge number",
      (f) => (f.model.vocab.t = 2 ** 30),
      "vocab: t must be a whole number from 0 to 1048575",
    ],
    ["another alphabet", (f) => (f.model.vocab.日 = 999), "is not written in GPT-2's byte alphabet"],
    ["a strange merge", (f) => (f.model.merges[0] = "a"), "merges[0] must be two tokens"],
  ])("with %s are refused", (_, change, message) => {
    expect(() => read(change)).toThrow(FormatError);
    expect(() => read(change)).toThrow(message);
  });

  it("of our own are checked", () => {
    const file = { format: 1, kind: "characters", characters: ["a", "b"], specialTokens: [] };
    const change = (changes: object) => fromJson(JSON.stringify({ ...file, ...changes }), { name: "c.json" });
    expect([...change({}).encode("ba")]).toEqual([1, 0]);
    expect(() => change({ format: 2 })).toThrow("c.json: has format 2");
    expect(() => change({ kind: "words" })).toThrow("c.json: kind must be characters or bytes");
    expect(() => change({ characters: ["ab"] })).toThrow(
      new FormatError('c.json: characters: "ab" is not one character'),
    );
    expect(() => fromJson("[")).toThrow("tokenizer.json: is not JSON");
  });
});

it("a heap gives its values in order", () => {
  const random = new Random(1);
  const values = Array.from({ length: 500 }, () => Math.floor(random.uniform() * 100));
  const heap = new Heap<number>((a, b) => a < b);
  for (const value of values) heap.push(value);
  expect(Array.from(values, () => heap.pop())).toEqual(values.toSorted((a, b) => a - b));
  expect(heap.pop()).toBeUndefined();
});
