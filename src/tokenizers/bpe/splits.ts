/**
 * Splits of text into pieces, within which byte pairs are merged. Only known ones are offered: an expression from a file
 * could take exponential time. `\s` of JavaScript is not Unicode's white space, which these expressions mean.
 */

const S = "\\p{White_Space}";
/** Case-folding, ſ is an s. JavaScript has no `(?i:` in all engines. */
const CONTRACTIONS = "'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])";
const words = (digits: string) =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^${S}\\p{L}\\p{N}]+[\\r\\n]*|${S}*[\\r\\n]+|${S}+(?!\\P{White_Space})|${S}+`;
/** The same as tokenizer.json writes it. */
const written = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

interface Split {
  readonly pattern: RegExp;
  /** How tokenizer.json describes it. */
  readonly json: Readonly<Record<string, unknown>>;
}

const byExpression = (Regex: string) => ({
  type: "Split",
  pattern: { Regex },
  behavior: "Isolated",
  invert: false,
});

const split = (pattern: string, json: Split["json"]): Split => ({ pattern: new RegExp(pattern, "gu"), json });

/** Expressions of the models of these names; `digits` makes a piece of each digit. */
export const SPLITS = {
  gpt2: split(
    `'(?:s|t|re|ve|m|ll|d)| ?\\p{L}+| ?\\p{N}+| ?[^${S}\\p{L}\\p{N}]+|${S}+(?!\\P{White_Space})|${S}+`,
    byExpression("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"),
  ),
  llama3: split(words("\\p{N}{1,3}"), byExpression(written("\\p{N}{1,3}"))),
  qwen2: split(words("\\p{N}"), byExpression(written("\\p{N}"))),
  digits: split("\\p{N}", { type: "Digits", individual_digits: true }),
} as const satisfies Record<string, Split>;

export type SplitName = keyof typeof SPLITS;

/** The pieces of `text`; each split divides the pieces of the one before. Together they are the text. */
export function* piecesOf(text: string, [first, ...rest]: readonly SplitName[]): Generator<string, void> {
  if (text === "") return;
  if (first === undefined) return yield text;
  let end = 0;
  for (const { 0: piece, index } of text.matchAll(SPLITS[first].pattern)) {
    yield* piecesOf(text.slice(end, index), rest);
    yield* piecesOf(piece, rest);
    end = index + piece.length;
  }
  yield* piecesOf(text.slice(end), rest);
}
