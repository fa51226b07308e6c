/** Learns the merges of byte-pair encoding from text. */
import { Heap } from "../../numbers/heap.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkChoice, checkOptions, expectGiven, type OptionKinds, shown } from "../../validation/options.ts";
import { MOST_TOKENS, numberSpecialTokens, type SpecialTokenOptions } from "../tokenizer.ts";
import { BYTES_IN_ORDER, CHARACTER_OF } from "./byte-alphabet.ts";
import { BytePairTokenizer } from "./byte-pair.ts";
import { piecesOf, SPLITS, type SplitName } from "./splits.ts";

export interface TrainBpeOptions extends SpecialTokenOptions {
  /** Tokens at most: 256 bytes, one per merge, and the special ones. The text may have fewer pairs to merge. */
  readonly vocabSize: number;
  /** Pairs that are rarer are not merged. Default 2. */
  readonly minFrequency?: number;
  /** Splits into pieces, within which pairs are merged, each of the pieces of the one before. Default ["gpt2"]. */
  readonly splits?: readonly SplitName[];
}

const TRAIN = {
  specialTokens: "array",
  vocabSize: "number",
  minFrequency: "number",
  splits: "array",
} as const satisfies OptionKinds<TrainBpeOptions>;

/** A piece of the text, as tokens, and how often it is there. */
interface Piece {
  ids: number[];
  readonly count: number;
}

interface Pair {
  readonly left: number;
  readonly right: number;
  count: number;
  /** Pieces that have it, or had it. */
  readonly pieces: Set<Piece>;
  isMerged: boolean;
}

const isWhole = (value: number, least: number, most: number) =>
  Number.isInteger(value) && value >= least && value <= most;

/**
 * Trains byte-level byte-pair encoding as GPT-2 has it: the most frequent pair of neighbouring tokens becomes a token, again and
 * again. Of equally frequent pairs the one with the lower left, then lower right token number comes first, so the result depends
 * on nothing but text and options. The first 256 tokens are the bytes in GPT-2's order, the last ones the special tokens.
 * Throws ValueError on options outside their range.
 */
export function trainBpe(texts: string | Iterable<string>, given: TrainBpeOptions): BytePairTokenizer {
  const options = checkOptions("trainBpe", given, TRAIN);
  expectGiven("trainBpe", options, ["vocabSize"]);
  const { vocabSize, specialTokens = [], minFrequency = 2, splits = ["gpt2"] } = options;
  const least = 256 + specialTokens.length;
  if (!isWhole(vocabSize, least, MOST_TOKENS))
    throw new ValueError(
      `trainBpe: vocabSize must be a whole number from ${least} to ${MOST_TOKENS}, got ${vocabSize}`,
    );
  if (!isWhole(minFrequency, 1, Number.MAX_SAFE_INTEGER))
    throw new ValueError(`trainBpe: minFrequency must be a whole number of at least 1, got ${minFrequency}`);
  for (const name of splits) checkChoice("trainBpe", "splits", name, Object.keys(SPLITS));
  const special = numberSpecialTokens("trainBpe", specialTokens, 0);
  const { tokens, merges } = learn(countPieces(texts, splits), vocabSize - special.size, minFrequency);
  return new BytePairTokenizer({
    vocab: new Map(tokens.map((token, id) => [token, id])),
    merges,
    specialTokens: numberSpecialTokens("trainBpe", specialTokens, tokens.length),
    splits,
    wholePieces: false,
    nfc: false,
  });
}

function countPieces(texts: string | Iterable<string>, splits: readonly SplitName[]): Piece[] {
  const counts = new Map<string, number>();
  for (const text of typeof texts === "string" ? [texts] : texts) {
    if (typeof text !== "string") throw new ValueError(`trainBpe: texts must be strings, got ${shown(text)}`);
    for (const piece of piecesOf(text, splits)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  const idOf = BYTES_IN_ORDER.reduce<number[]>((ids, byte, id) => {
    ids[byte] = id;
    return ids;
  }, []);
  return [...counts].map(([piece, count]) => ({
    ids: Array.from(new TextEncoder().encode(piece), (byte) => idOf[byte] as number),
    count,
  }));
}

function learn(pieces: readonly Piece[], most: number, minFrequency: number) {
  const tokens = BYTES_IN_ORDER.map((byte) => CHARACTER_OF[byte] as string);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: [string, string][] = [];
  const pairs = new Map<number, Pair>();
  /** Adds `sign` times the pairs of a piece, and returns them. */
  const add = (piece: Piece, sign: 1 | -1): Set<Pair> => {
    const changed = new Set<Pair>();
    for (let i = 0; i + 1 < piece.ids.length; i++) {
      const [left, right] = [piece.ids[i] as number, piece.ids[i + 1] as number];
      const key = left * MOST_TOKENS + right;
      const pair = pairs.get(key) ?? { left, right, count: 0, pieces: new Set(), isMerged: false };
      pairs.set(key, pair);
      pair.count += sign * piece.count;
      pair.pieces.add(piece);
      changed.add(pair);
    }
    return changed;
  };
  for (const piece of pieces) add(piece, 1);
  type Entry = Pick<Pair, "left" | "right" | "count"> & { readonly pair: Pair };
  const heap = new Heap<Entry>((a, b) =>
    a.count !== b.count ? a.count > b.count : a.left !== b.left ? a.left < b.left : a.right < b.right,
  );
  const offer = (pair: Pair) => heap.push({ left: pair.left, right: pair.right, count: pair.count, pair });
  for (const pair of pairs.values()) offer(pair);
  for (let best = heap.pop(); best !== undefined && tokens.length < most; best = heap.pop()) {
    const { left, right, pair, count } = best;
    if (count < minFrequency) break;
    if (count !== pair.count) {
      // It became rarer since it was offered.
      if (pair.count > 0) offer(pair);
      continue;
    }
    const names = [tokens[left] as string, tokens[right] as string] as [string, string];
    // Different pairs may spell the same token.
    const id = ids.get(names.join("")) ?? tokens.length;
    if (id === tokens.length) {
      tokens.push(names.join(""));
      ids.set(names.join(""), id);
    }
    // A merged pair can come back where another pair spells one of its tokens.
    if (!pair.isMerged) merges.push(names);
    pair.isMerged = true;
    const grown = new Set<Pair>();
    for (const piece of pair.pieces) {
      add(piece, -1);
      piece.ids = merged(piece.ids, left, right, id);
      for (const other of add(piece, 1)) if (other.left === id || other.right === id) grown.add(other);
    }
    for (const other of grown) offer(other);
    pair.pieces.clear();
  }
  return { tokens, merges };
}

function merged(ids: readonly number[], left: number, right: number, id: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === left && ids[i + 1] === right) {
      result.push(id);
      i++;
    } else result.push(ids[i] as number);
  }
  return result;
}
