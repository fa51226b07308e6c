/** What a tokenizer of byte pairs is made of. */
import type { SplitName } from "./splits.ts";

/** Tokens are written in the alphabet of `byte-alphabet.ts`, except special ones. */
export interface BytePairParts {
  readonly vocab: ReadonlyMap<string, number>;
  /** Pairs of tokens that become one, first those that are merged first. */
  readonly merges: readonly (readonly [left: string, right: string])[];
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly splits: readonly SplitName[];
  /** Pieces that are tokens are not merged from their bytes. */
  readonly wholePieces: boolean;
  /** Text is brought into normal form C of Unicode. */
  readonly nfc: boolean;
}
