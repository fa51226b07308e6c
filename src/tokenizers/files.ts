/** Tokenizers in files: what `toJSON` writes, tokenizer.json of Hugging Face, and the two files of GPT-2. */
import { FormatError, ValueError } from "../validation/errors.ts";
import { Fields } from "../validation/json-fields.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";
import { BytePairTokenizer } from "./bpe/byte-pair.ts";
import { readGpt2Files, readTokenizerJson } from "./bpe/tokenizer-json.ts";
import { ByteTokenizer, CharacterTokenizer } from "./characters.ts";
import { MOST_TOKENS, type Tokenizer } from "./tokenizer.ts";

export interface TokenizerFileOptions {
  /** What errors call the file. Default "tokenizer.json", or "vocab.json". */
  readonly name?: string;
}

const FILE = { name: "string" } as const satisfies OptionKinds<TokenizerFileOptions>;

/**
 * The tokenizer of a JSON text that `JSON.stringify(tokenizer)` made, or of a tokenizer.json of Hugging Face with byte-level BPE
 * (GPT-2, Llama 3, Qwen 2, SmolLM). Throws FormatError on texts that are damaged or of another kind.
 */
export function fromJson(text: string, options: TokenizerFileOptions = {}): Tokenizer {
  const { name = "tokenizer.json" } = checkOptions("fromJson", options, FILE);
  const file = Fields.parse(text, name);
  if (file.has("model")) return new BytePairTokenizer(readTokenizerJson(file), name);
  file.format(1);
  const kind = file.oneOf("kind", ["characters", "bytes"]);
  const texts = (field: string) => file.list(field, (entries, i) => entries.text(i), MOST_TOKENS);
  return naming(name, () =>
    kind === "bytes"
      ? new ByteTokenizer(texts("specialTokens"))
      : new CharacterTokenizer(texts("characters"), texts("specialTokens")),
  );
}

/** The tokenizer of GPT-2's vocab.json (or encoder.json) and merges.txt (or vocab.bpe). Throws FormatError on other texts. */
export function fromGpt2(
  vocabJson: string,
  mergesText: string,
  options: TokenizerFileOptions = {},
): BytePairTokenizer {
  const { name = "vocab.json" } = checkOptions("fromGpt2", options, FILE);
  return new BytePairTokenizer(readGpt2Files(vocabJson, mergesText, name), name);
}

/** What is wrong with an argument is here wrong with the file. */
function naming<T>(name: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof ValueError) throw new FormatError(`${name}: ${error.message}`);
    throw error;
  }
}
