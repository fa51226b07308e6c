/** Text to token numbers and back: `import { tokenizers } from "weft"`. */

export type { BytePairTokenizer } from "./bpe/byte-pair.ts";
export type { BytePairParts } from "./bpe/parts.ts";
export type { SplitName } from "./bpe/splits.ts";
export { type TrainBpeOptions, trainBpe } from "./bpe/train.ts";
export { type ByteTokenizer, bytes, type CharacterTokenizer, characters } from "./characters.ts";
export { fromGpt2, fromJson, type TokenizerFileOptions } from "./files.ts";
export {
  type DecodeOptions,
  type DecodeStream,
  type EncodeOptions,
  type SpecialTokenOptions,
  Tokenizer,
} from "./tokenizer.ts";
