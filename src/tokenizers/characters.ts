/** One token per character (Unicode code point), or per byte of UTF-8. */
import { FormatError, ValueError } from "../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../validation/options.ts";
import { quote } from "../validation/printable.ts";
import { numberSpecialTokens, type SpecialTokenOptions, Tokenizer } from "./tokenizer.ts";

const SPECIAL = { specialTokens: "array" } as const satisfies OptionKinds<SpecialTokenOptions>;

/** The different characters of `text`, in order of their code points. */
export function charactersOf(text: string): string[] {
  return [...new Set(text)].sort((a, b) => (a.codePointAt(0) as number) - (b.codePointAt(0) as number));
}

export class CharacterTokenizer extends Tokenizer {
  readonly vocabSize: number;
  /** Token i is the character i. */
  readonly characters: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  constructor(characters: readonly string[], specialTokens: readonly string[] = []) {
    super(numberSpecialTokens("characters", specialTokens, characters.length));
    const wrong = characters.find(
      (character) => typeof character !== "string" || [...character].length !== 1,
    );
    if (wrong !== undefined) throw new ValueError(`characters: ${shown(wrong)} is not one character`);
    this.characters = characters;
    this.vocabSize = characters.length + specialTokens.length;
    this.#ids = new Map(characters.map((character, id) => [character, id]));
    if (this.#ids.size < characters.length) throw new ValueError("characters: one of them is there twice");
  }

  protected encodePlain(text: string, ids: number[], name: string): void {
    for (const character of text) {
      const id = this.#ids.get(character);
      if (id === undefined)
        throw new FormatError(`${name}: holds ${quote(character)}, which the model does not know`);
      ids.push(id);
    }
  }

  protected pieceOf(id: number): string | undefined {
    return this.characters[id];
  }

  toJSON(): object {
    const { characters, specialTokens } = this;
    return { format: 1, kind: "characters", characters, specialTokens: [...specialTokens.keys()] };
  }
}

/**
 * A tokenizer of the characters of a text, in order of their code points, or of a list of different characters, in its order.
 * A lone surrogate is a character. `encode` throws FormatError, naming the character, on one that is not among them.
 */
export function characters(
  source: string | readonly string[],
  options: SpecialTokenOptions = {},
): CharacterTokenizer {
  const { specialTokens } = checkOptions("characters", options, SPECIAL);
  if (typeof source !== "string" && !Array.isArray(source))
    throw new ValueError(`characters: needs a text or a list of characters, got ${shown(source)}`);
  return new CharacterTokenizer(typeof source === "string" ? charactersOf(source) : source, specialTokens);
}

export class ByteTokenizer extends Tokenizer {
  readonly vocabSize: number;

  constructor(specialTokens: readonly string[] = []) {
    super(numberSpecialTokens("bytes", specialTokens, 256));
    this.vocabSize = 256 + specialTokens.length;
  }

  protected encodePlain(text: string, ids: number[]): void {
    for (const byte of new TextEncoder().encode(text)) ids.push(byte);
  }

  protected pieceOf(id: number): Uint8Array | undefined {
    return Number.isInteger(id) && id >= 0 && id < 256 ? Uint8Array.of(id) : undefined;
  }

  toJSON(): object {
    return { format: 1, kind: "bytes", specialTokens: [...this.specialTokens.keys()] };
  }
}

/** A tokenizer of the bytes of UTF-8: 256 tokens and the special ones. A lone surrogate becomes U+FFFD. */
export function bytes(options: SpecialTokenOptions = {}): ByteTokenizer {
  return new ByteTokenizer(checkOptions("bytes", options, SPECIAL).specialTokens);
}
