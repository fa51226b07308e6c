/**
 * Byte-pair encoding in files, which may come from anyone: tokenizer.json of Hugging Face, and vocab.json with merges.txt of
 * GPT-2. Kinds and settings that would give other tokens than here are refused by name.
 */
import { FormatError } from "../../validation/errors.ts";
import { Fields } from "../../validation/json-fields.ts";
import { MOST_TOKENS } from "../tokenizer.ts";
import { CHARACTER_OF } from "./byte-alphabet.ts";
import type { BytePairParts } from "./parts.ts";
import { SPLITS, type SplitName } from "./splits.ts";

const NAMES = Object.keys(SPLITS) as SplitName[];
const OTHERS = "only byte-level BPE can be read; the package @huggingface/tokenizers has other kinds";
/** Settings of a model that change tokens, with the values that do not. */
const NO_EFFECT: Readonly<Record<string, readonly unknown[]>> = {
  dropout: [null, 0],
  unk_token: [null],
  continuing_subword_prefix: [null, ""],
  end_of_word_suffix: [null, ""],
  byte_fallback: [false],
};

export function tokenizerJson(parts: BytePairParts): object {
  const { vocab, merges, specialTokens, splits, wholePieces, nfc } = parts;
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: Array.from(specialTokens, ([content, id]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: nfc ? { type: "NFC" } : null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [...splits.map((name) => SPLITS[name].json), byteLevel],
    },
    post_processor: null,
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: wholePieces,
      vocab: Object.fromEntries(vocab),
      merges,
    },
  };
}

/** Throws FormatError on files that are damaged or of another kind. */
export function readTokenizerJson(file: Fields): BytePairParts {
  const model = file.fields("model");
  // Early files do not name it.
  const type = model.has("type") ? model.text("type") : "BPE";
  if (type !== "BPE") model.refuse(`is of kind ${type}; ${OTHERS}`);
  for (const [name, values] of Object.entries(NO_EFFECT)) {
    if (model.has(name) && !values.includes(model.get(name)))
      model.refuse(`must be ${values.map((value) => JSON.stringify(value)).join(" or ")}; ${OTHERS}`, name);
  }
  const added = isAbsent(file, "added_tokens") ? [] : file.objects("added_tokens", addedToken);
  file.unique(
    "added_tokens",
    added.map(([content]) => content),
  );
  const specialTokens = new Map(added);
  const vocab = readVocab(model.fields("vocab"), specialTokens);
  const merges = model.list("merges", readMerge, MOST_TOKENS);
  return {
    vocab,
    merges,
    specialTokens,
    splits: readSplits(file),
    wholePieces: model.get("ignore_merges") === true,
    nfc: !isAbsent(file, "normalizer") && readNormalizer(file.fields("normalizer")),
  };
}

/**
 * GPT-2's two files. Tokens of the vocabulary that are neither bytes nor made by a merge, such as "<|endoftext|>", are special.
 */
export function readGpt2Files(vocabJson: string, mergesText: string, name: string): BytePairParts {
  const merges = mergesText.split(/\r?\n/).flatMap((line, i): [string, string][] => {
    if (line === "" || (i === 0 && line.startsWith("#version"))) return [];
    const pair = line.split(" ");
    if (pair.length !== 2 || pair.includes(""))
      throw new FormatError(`${name}: line ${i + 1} of the merges must be two tokens with a space between`);
    return [pair as [string, string]];
  });
  if (merges.length > MOST_TOKENS)
    throw new FormatError(`${name}: has ${merges.length} merges, the limit is ${MOST_TOKENS}`);
  const made = new Set([...CHARACTER_OF, ...merges.map((pair) => pair.join(""))]);
  const all = readVocab(Fields.parse(vocabJson, name), new Map());
  const specialTokens = new Map([...all].filter(([token]) => !made.has(token)));
  const vocab = new Map([...all].filter(([token]) => made.has(token)));
  return { vocab, merges, specialTokens, splits: ["gpt2"], wholePieces: false, nfc: false };
}

const isAbsent = (fields: Fields, name: string) => !fields.has(name) || fields.get(name) === null;

function addedToken(token: Fields): [string, number] {
  for (const name of ["lstrip", "rstrip", "single_word"])
    if (token.has(name) && token.get(name) !== false) token.refuse(`must be false; ${OTHERS}`, name);
  const content = token.text("content");
  if (content === "") token.fail("content", "a text that is not empty");
  return [content, token.index("id", MOST_TOKENS)];
}

function readVocab(vocab: Fields, specialTokens: ReadonlyMap<string, number>): Map<string, number> {
  const names = vocab.names;
  if (names.length > MOST_TOKENS) vocab.refuse(`has ${names.length} tokens, the limit is ${MOST_TOKENS}`);
  const ids = new Map(names.map((token) => [token, vocab.index(token, MOST_TOKENS)]));
  for (const [token, id] of specialTokens) {
    if (ids.has(token) && ids.get(token) !== id) vocab.refuse("differs from the added tokens", token);
    ids.delete(token);
  }
  const values = [...ids.values(), ...specialTokens.values()];
  if (new Set(values).size < values.length) vocab.refuse("has two tokens with the same number");
  ids.delete("");
  return ids;
}

function readMerge(merges: Fields, i: string): [string, string] {
  const value = merges.get(i);
  const pair = typeof value === "string" ? value.split(" ") : value;
  const isPair =
    Array.isArray(pair) && pair.length === 2 && pair.every((t) => typeof t === "string" && t !== "");
  return isPair ? (pair as [string, string]) : merges.fail(i, "two tokens");
}

function readNormalizer(normalizer: Fields): boolean {
  const type = normalizer.text("type");
  if (type !== "NFC") normalizer.refuse(`is of kind ${type}; ${OTHERS}`);
  return true;
}

function readSplits(file: Fields): SplitName[] {
  if (file.fields("decoder").get("type") !== "ByteLevel")
    file.refuse(`must be of kind ByteLevel; ${OTHERS}`, "decoder");
  const whole = file.fields("pre_tokenizer");
  const steps =
    whole.get("type") === "Sequence" ? whole.objects("pretokenizers", (step) => step, 8) : [whole];
  const [last] = steps.slice(-1);
  if (last?.get("type") !== "ByteLevel") return whole.refuse(`must end with ByteLevel; ${OTHERS}`);
  if (last.get("add_prefix_space") !== false) last.refuse(`must be false; ${OTHERS}`, "add_prefix_space");
  const splits = steps.slice(0, -1).map(readSplit);
  return last.get("use_regex") === false ? splits : [...splits, "gpt2"];
}

function readSplit(step: Fields): SplitName {
  // The order of fields is not that of the file.
  const known = NAMES.find((name) => {
    const { pattern, ...json } = SPLITS[name].json as { pattern?: { readonly Regex: string } };
    const isSame = Object.entries(json).every(([field, value]) => (step.get(field) ?? false) === value);
    return isSame && (pattern === undefined || step.fields("pattern").get("Regex") === pattern.Regex);
  });
  return known ?? step.refuse(`is a split that is not known; ${OTHERS}`);
}
