/** Byte-pair encoding of the bytes of UTF-8 (Sennrich et al., 2016; Radford et al., 2019). */
import { Heap } from "../../numbers/heap.ts";
import { FormatError } from "../../validation/errors.ts";
import { quote } from "../../validation/printable.ts";
import { Tokenizer } from "../tokenizer.ts";
import { bytesOf, CHARACTER_OF } from "./byte-alphabet.ts";
import type { BytePairParts } from "./parts.ts";
import { piecesOf } from "./splits.ts";
import { tokenizerJson } from "./tokenizer-json.ts";

/** More than any token number, so that pairs of them are numbers too. */
const SHIFT = 2 ** 21;
const POSITIONS = 2 ** 32;
/** Pieces that are remembered with their tokens, and how long they may be. */
const [MOST_KNOWN, LONGEST_KNOWN] = [2 ** 16, 32];

export class BytePairTokenizer extends Tokenizer {
  readonly vocabSize: number;
  readonly parts: BytePairParts;
  /** Tokens of single bytes. */
  readonly #bytes: readonly number[];
  readonly #ranks = new Map<number, number>();
  /** The token that a merge of this rank makes. */
  readonly #merged: number[] = [];
  readonly #pieces = new Map<number, Uint8Array>();
  readonly #known = new Map<string, readonly number[]>();

  /** Throws FormatError, naming `name`, if a byte has no token, or a merge needs or makes what is none. */
  constructor(parts: BytePairParts, name = "byte pairs") {
    super(parts.specialTokens);
    this.parts = parts;
    const { vocab, merges, specialTokens } = parts;
    const idOf = (token: string): number => {
      const id = vocab.get(token);
      if (id === undefined) throw new FormatError(`${name}: the vocabulary has no token ${quote(token)}`);
      return id;
    };
    this.#bytes = CHARACTER_OF.map(idOf);
    let most = 0;
    for (const [token, id] of vocab) {
      const bytes = bytesOf(token);
      if (bytes === undefined)
        throw new FormatError(`${name}: the token ${quote(token)} is not written in GPT-2's byte alphabet`);
      this.#pieces.set(id, bytes);
      most = Math.max(most, id);
    }
    for (const id of specialTokens.values()) most = Math.max(most, id);
    this.vocabSize = most + 1;
    merges.forEach(([left, right], rank) => {
      const pair = idOf(left) * SHIFT + idOf(right);
      if (this.#ranks.has(pair))
        throw new FormatError(`${name}: merges ${quote(left)} and ${quote(right)} twice`);
      this.#ranks.set(pair, rank);
      this.#merged.push(idOf(left + right));
    });
  }

  protected encodePlain(text: string, ids: number[]): void {
    for (const piece of piecesOf(this.parts.nfc ? text.normalize("NFC") : text, this.parts.splits))
      for (const id of this.#tokensOf(piece)) ids.push(id);
  }

  protected pieceOf(id: number): Uint8Array | undefined {
    return this.#pieces.get(id);
  }

  /** A tokenizer.json of Hugging Face, which other libraries read too. */
  toJSON(): object {
    return tokenizerJson(this.parts);
  }

  #tokensOf(piece: string): readonly number[] {
    const known = this.#known.get(piece);
    if (known !== undefined) return known;
    const tokens = this.#merge(new TextEncoder().encode(piece));
    if (piece.length <= LONGEST_KNOWN) {
      if (this.#known.size >= MOST_KNOWN) this.#known.clear();
      this.#known.set(piece, tokens);
    }
    return tokens;
  }

  /** Merges the pair of lowest rank, the leftmost of several, until there is none: n log n for n bytes. */
  #merge(bytes: Uint8Array): readonly number[] {
    if (this.parts.wholePieces) {
      const whole = this.parts.vocab.get(Array.from(bytes, (byte) => CHARACTER_OF[byte]).join(""));
      if (whole !== undefined) return [whole];
    }
    const ids = Array.from(bytes, (byte) => this.#bytes[byte] as number);
    const next = ids.map((_, i) => i + 1);
    const previous = ids.map((_, i) => i - 1);
    const rankAt = (i: number): number | undefined => {
      const [left, right] = [ids[i], ids[next[i] as number]];
      // What was merged into its left neighbour is -1.
      if (left === undefined || left < 0 || right === undefined) return undefined;
      return this.#ranks.get(left * SHIFT + right);
    };
    const heap = new Heap<number>((a, b) => a < b);
    const offer = (i: number) => {
      const rank = rankAt(i);
      if (rank !== undefined) heap.push(rank * POSITIONS + i);
    };
    for (let i = 0; i + 1 < ids.length; i++) offer(i);
    for (let first = heap.pop(); first !== undefined; first = heap.pop()) {
      const i = first % POSITIONS;
      const rank = Math.floor(first / POSITIONS);
      if (rankAt(i) !== rank) continue;
      const right = next[i] as number;
      ids[i] = this.#merged[rank] as number;
      ids[right] = -1;
      next[i] = next[right] as number;
      if ((next[i] as number) < ids.length) previous[next[i] as number] = i;
      offer(i);
      if ((previous[i] as number) >= 0) offer(previous[i] as number);
    }
    return ids.filter((id) => id >= 0);
  }
}
