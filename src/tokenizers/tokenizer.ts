/**
 * What every tokenizer does: special tokens, decoding of whole texts, and decoding of tokens as they are generated, in
 * pieces that hold whole characters.
 */
import { ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../validation/options.ts";

export interface SpecialTokenOptions {
  /**
   * Tokens that no text is made of, such as "<|endoftext|>". They get the last token numbers, in this order. Default: none.
   */
  readonly specialTokens?: readonly string[];
}

export interface EncodeOptions {
  /**
   * Whether special tokens that are written out in the text become these tokens. Default false: they are text like any
   * other, so that a text from a stranger can't forge them.
   */
  readonly specialTokens?: boolean;
  /** What errors call the text. Default "text". */
  readonly name?: string;
}

export interface DecodeOptions {
  /** Leave special tokens out. Default false: they are written out. */
  readonly skipSpecialTokens?: boolean;
}

const ENCODE = { specialTokens: "boolean", name: "string" } as const satisfies OptionKinds<EncodeOptions>;
const DECODE = { skipSpecialTokens: "boolean" } as const satisfies OptionKinds<DecodeOptions>;

/** Most tokens of a vocabulary. */
export const MOST_TOKENS = 2 ** 20;

/**
 * Turns text into token numbers from 0 to vocabSize - 1 and back. Tokenizers of one's own extend it by `vocabSize`,
 * `encodePlain`, `pieceOf` and `toJSON`.
 */
export abstract class Tokenizer {
  /** Least number of rows of the model's embedding. */
  abstract readonly vocabSize: number;
  /** The numbers of special tokens. */
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly #special: ReadonlyMap<number, string>;
  readonly #pattern: RegExp;

  /** Throws ValueError on an empty or repeated special token. */
  constructor(specialTokens: ReadonlyMap<string, number>) {
    this.specialTokens = specialTokens;
    this.#special = new Map([...specialTokens].map(([text, id]) => [id, text]));
    const escaped = [...specialTokens.keys()]
      .sort((a, b) => b.length - a.length)
      .map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
    this.#pattern = new RegExp(`(${escaped.join("|")})`);
  }

  /** Adds the tokens of a text without special tokens to `ids`. `name` is what errors call the text. */
  protected abstract encodePlain(text: string, ids: number[], name: string): void;

  /** Text, or bytes of UTF-8, of which several tokens may make a character. Undefined if there is no such token. */
  protected abstract pieceOf(id: number): string | Uint8Array | undefined;

  /** What `fromJson` makes the same tokenizer of. `JSON.stringify(tokenizer)` calls it. */
  abstract toJSON(): object;

  /** The tokens of `text`. It adds none of its own. */
  encode(text: string, options: EncodeOptions = {}): Int32Array {
    const { specialTokens = false, name = "text" } = checkOptions("encode", options, ENCODE);
    if (typeof text !== "string")
      throw new ValueError(`encode: ${name} must be a string, got ${shown(text)}`);
    const ids: number[] = [];
    const parts = specialTokens && this.specialTokens.size > 0 ? text.split(this.#pattern) : [text];
    for (const part of parts) {
      const special = specialTokens ? this.specialTokens.get(part) : undefined;
      if (special !== undefined) ids.push(special);
      else if (part !== "") this.encodePlain(part, ids, name);
    }
    return Int32Array.from(ids);
  }

  /**
   * The text of `ids`. Bytes that are not UTF-8 become U+FFFD, as in GPT-2. Throws ValueError on a number that is no token.
   */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const stream = this.decodeStream(options);
    return stream.push(ids) + stream.end();
  }

  /** A decoder of tokens that arrive one after the other. */
  decodeStream(options: DecodeOptions = {}): DecodeStream {
    const { skipSpecialTokens = false } = checkOptions("decode", options, DECODE);
    return new DecodeStream((id) => {
      const special = this.#special.get(id);
      if (special !== undefined) return skipSpecialTokens ? "" : special;
      const piece = this.pieceOf(id);
      if (piece !== undefined) return piece;
      throw new ValueError(`decode: ${shown(id)} is none of the ${this.vocabSize} tokens`);
    });
  }
}

/** Text of tokens as they arrive. What it has given is never part of a character. */
export class DecodeStream {
  // A byte order mark is a character like any other here: TextDecoder would remove it.
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(readonly pieceOf: (id: number) => string | Uint8Array) {}

  /** The text that these tokens complete; "" while a character lacks bytes. Throws ValueError on a number that is no token. */
  push(ids: number | ArrayLike<number>): string {
    let text = "";
    for (const id of typeof ids === "number" ? [ids] : Array.from(ids)) {
      const piece = this.pieceOf(id);
      if (typeof piece === "string") text += this.#utf8.decode() + piece;
      else text += this.#utf8.decode(piece, { stream: true });
    }
    return text;
  }

  /** U+FFFD if the last character lacks bytes, else "". The next token begins another text. */
  end(): string {
    return this.#utf8.decode();
  }
}

/** Numbers of special tokens after `first` others. Throws ValueError, naming `who`, on empty and repeated ones. */
export function numberSpecialTokens(
  who: string,
  specialTokens: readonly string[],
  first: number,
): Map<string, number> {
  for (const token of specialTokens) {
    if (typeof token !== "string" || token === "")
      throw new ValueError(`${who}: specialTokens must be texts that are not empty, got ${shown(token)}`);
  }
  const numbers = new Map(specialTokens.map((text, i) => [text, first + i]));
  if (numbers.size < specialTokens.length)
    throw new ValueError(`${who}: specialTokens has one of them twice`);
  if (first + numbers.size > MOST_TOKENS)
    throw new ValueError(
      `${who}: the vocabulary may have ${MOST_TOKENS} tokens, not ${first + numbers.size}`,
    );
  return numbers;
}
