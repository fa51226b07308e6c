// GPT-2's transformer on characters: pre-norm, biases, learned positions, tanh GELU, output layer tied to the token embedding.
// Numbers are drawn in the order below.
import { generator } from "./generator.mjs";
import sizes from "./sizes.json" with { type: "json" };

/** Weights and biases are uniform in ±0.02 √3, which has GPT-2's standard deviation; those of norms are around 1. */
const BOUND = 0.02 * Math.sqrt(3);

/** Parameters in order with their shapes, GPT-2's names; weights are [out, in]. */
function parametersOf({ layers, embedSize: C, contextLength, vocabSize }) {
  const linear = (name, to, from) => [
    [`${name}.weight`, [to, from]],
    [`${name}.bias`, [to]],
  ];
  const norm = (name) => [
    [`${name}.weight`, [C]],
    [`${name}.bias`, [C]],
  ];
  const block = (h) => [
    ...norm(`${h}.ln_1`),
    ...linear(`${h}.attn.c_attn`, 3 * C, C),
    ...linear(`${h}.attn.c_proj`, C, C),
    ...norm(`${h}.ln_2`),
    ...linear(`${h}.mlp.c_fc`, 4 * C, C),
    ...linear(`${h}.mlp.c_proj`, C, 4 * C),
  ];
  const blocks = Array.from({ length: layers }, (_, i) => block(`h.${i}`)).flat();
  return [["wte.weight", [vocabSize, C]], ["wpe.weight", [contextLength, C]], ...blocks, ...norm("ln_f")];
}

/**
 * `{ sizes, weights: { name: { shape, data } }, tokens [batch, contextLength], labels: the tokens that follow, batch }`.
 */
export function loadGptProblem(batch, network) {
  const { floats, integers } = generator();
  const { contextLength: T, vocabSize } = sizes[network];
  const weights = {};
  for (const [name, shape] of parametersOf(sizes[network])) {
    weights[name] = { shape, data: floats(shape, BOUND, /ln_.*weight/.test(name) ? 1 : 0) };
  }
  const text = integers(batch * (T + 1), vocabSize);
  const windows = (offset) =>
    Int32Array.from({ length: batch * T }, (_, i) => text[Math.floor(i / T) * (T + 1) + (i % T) + offset]);
  return { sizes: sizes[network], weights, tokens: windows(0), labels: windows(1), batch };
}
