/**
 * Language models of characters as saved files describe them, and the text that they continue. Tokens are drawn on the host
 * from the model's logits for the last position; text beyond the context length slides out of the model's sight.
 */
import { type Gpt, type GptOptions, gpt } from "../nn/gpt.ts";
import { Random } from "../numbers/random.ts";
import { CharacterTokenizer, charactersOf } from "../tokenizers/characters.ts";
import { FormatError, ValueError } from "../validation/errors.ts";
import { Fields } from "../validation/json-fields.ts";
import { checkOptions, type OptionKinds } from "../validation/options.ts";

/** The description of a model in a saved file: options of `nn.gpt` and the characters that it knows. */
export interface LanguageModel extends Omit<GptOptions, "dropout" | "vocabSize"> {
  readonly characters: readonly string[];
}

/** Limit for sizes in a file, which may come from anyone. */
const MOST = 2 ** 20;

export function describeLanguageModel({ options }: Gpt, characters: readonly string[]): LanguageModel {
  const { dropout: _, vocabSize: __, ...rest } = options;
  return { ...rest, characters };
}

/** The description in a file's metadata. Throws FormatError, naming `file`, on any other text. */
export function parseLanguageModel(text: string, file: string): LanguageModel {
  const model = Fields.parse(text, `${file}: the description of its language model can't be used`);
  const size = (name: string) => model.whole(name, 1, MOST);
  const flag = (name: string) => {
    const value = model.get(name);
    return typeof value === "boolean" ? value : model.fail(name, "true or false");
  };
  /** What files of versions without these variants lack has its default. */
  const choice = <T extends string>(name: string, usual: T, ...others: readonly T[]): T =>
    model.has(name) ? model.oneOf(name, [usual, ...others]) : usual;
  const positive = (name: string, usual: number): number => {
    const value = model.has(name) ? model.number(name) : usual;
    return value !== null && value > 0 && Number.isFinite(value) ? value : model.fail(name, "above 0");
  };
  const characters = model.list("characters", (entries, i) => entries.text(i), MOST, 1);
  if (charactersOf(characters.join("")).length !== characters.length)
    model.fail("characters", "different characters");
  const described: LanguageModel = {
    contextLength: size("contextLength"),
    layers: model.whole("layers", 1, 1024),
    heads: size("heads"),
    embedSize: size("embedSize"),
    kvHeads: size(model.has("kvHeads") ? "kvHeads" : "heads"),
    positions: choice("positions", "learned", "rotary"),
    rotaryBase: positive("rotaryBase", 10_000),
    norm: choice("norm", "layerNorm", "rmsNorm"),
    normEps: positive("normEps", 1e-5),
    mlp: choice("mlp", "geluTanh", "gelu", "swiglu"),
    mlpSize: size("mlpSize"),
    bias: flag("bias"),
    tieWeights: flag("tieWeights"),
    characters,
  };
  const { embedSize, heads, kvHeads = heads, positions } = described;
  if (embedSize % heads !== 0) model.fail("heads", "a divisor of embedSize");
  if (heads % kvHeads !== 0) model.fail("kvHeads", "a divisor of heads");
  if (positions === "rotary" && (embedSize / heads) % 2 !== 0)
    model.fail("heads", "such that rotary heads have an even width");
  return described;
}

/** The model with random weights, until those of the file are loaded. */
export function modelOfLanguageModel({ characters, ...options }: LanguageModel): Gpt {
  return gpt({ ...options, vocabSize: characters.length });
}

export interface SamplingOptions {
  /** Divisor of the logits: below 1 the likely tokens become likelier; 0 always takes the likeliest. Default 0.8. */
  readonly temperature?: number;
  /** Draw among so many of the likeliest tokens only. Default: all. */
  readonly topK?: number;
  /** Draw among the likeliest tokens that together have this probability (Holtzman et al., 2020). Default 1: all. */
  readonly topP?: number;
}

export interface ContinueOptions extends SamplingOptions {
  /** Number of tokens. */
  readonly tokens: number;
  /** Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

const CONTINUE = {
  temperature: "number",
  topK: "number",
  topP: "number",
  tokens: "number",
  seed: "number",
  signal: "object",
} as const satisfies OptionKinds<ContinueOptions>;

/** Logits [contextLength, characters] for tokens [contextLength]. */
export type LogitsOf = (tokens: Int32Array) => Promise<ArrayLike<number>>;

/**
 * Continues `prompt` character by character. Throws ValueError on an empty prompt and on options out of range, FormatError on a
 * character that the model does not know.
 */
export async function* continueText(
  logitsOf: LogitsOf,
  { characters, contextLength }: Pick<LanguageModel, "characters" | "contextLength">,
  prompt: string,
  options: ContinueOptions,
): AsyncGenerator<string, void> {
  const given = checkOptions("continueText", options, CONTINUE);
  const { tokens, seed = 0, signal, ...sampling } = given;
  checkSampling(sampling);
  if (prompt === "") throw new ValueError("continueText: the prompt must have at least one character");
  const random = new Random(seed);
  const ids = Array.from(new CharacterTokenizer(characters).encode(prompt, { name: "prompt" }));
  for (let i = 0; i < tokens; i++) {
    signal?.throwIfAborted();
    const seen = ids.slice(-contextLength);
    const context = new Int32Array(contextLength);
    // What comes after the last character has no influence: attention is causal.
    context.set(seen);
    const logits = await logitsOf(context);
    const from = (seen.length - 1) * characters.length;
    const row = Array.from({ length: characters.length }, (_, c) => logits[from + c] as number);
    if (!row.every(Number.isFinite))
      throw new FormatError("continueText: the model's output is not finite; its weights are damaged");
    const id = drawToken(row, sampling, random);
    ids.push(id);
    yield characters[id] as string;
  }
}

function checkSampling({ temperature = 1, topK = 1, topP = 1 }: SamplingOptions): void {
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    throw new ValueError(`continueText: temperature must be at least 0, got ${temperature}`);
  if (!(Number.isSafeInteger(topK) && topK >= 1))
    throw new ValueError(`continueText: topK must be a whole number of at least 1, got ${topK}`);
  if (!(topP > 0 && topP <= 1))
    throw new ValueError(`continueText: topP must be above 0 and at most 1, got ${topP}`);
}

/** Index of one of the logits, drawn with the probabilities of their softmax. */
export function drawToken(
  logits: readonly number[],
  { temperature = 0.8, topK = logits.length, topP = 1 }: SamplingOptions,
  random: Random,
): number {
  const order = logits
    .map((_, i) => i)
    .sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
  const [best] = order as [number];
  if (temperature === 0) return best;
  const kept = order.slice(0, topK);
  const shares = kept.map((i) => Math.exp(((logits[i] as number) - (logits[best] as number)) / temperature));
  const total = shares.reduce((sum, share) => sum + share, 0);
  let [count, mass] = [0, 0];
  while (count < shares.length && mass < topP * total) mass += shares[count++] as number;
  let left = random.uniform(0, mass);
  for (let k = 0; k < count; k++) {
    left -= shares[k] as number;
    if (left < 0) return kept[k] as number;
  }
  return kept[count - 1] as number;
}
