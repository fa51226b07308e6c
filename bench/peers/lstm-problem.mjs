// An LSTM over sequences, whose last state a linear layer classifies. Numbers are drawn in the order below.
import { generator } from "./generator.mjs";
import sizes from "./sizes.json" with { type: "json" };

export const SIZES = sizes.lstm;

/** Parameters in order with their shapes, PyTorch's names and layout. Uniform in ±1/√units, as PyTorch draws them. */
export const LSTM_PARAMETERS = [
  ["weight_ih_l0", [4 * SIZES.units, SIZES.features]],
  ["weight_hh_l0", [4 * SIZES.units, SIZES.units]],
  ["bias_ih_l0", [4 * SIZES.units]],
  ["bias_hh_l0", [4 * SIZES.units]],
  ["fc.weight", [SIZES.classes, SIZES.units]],
  ["fc.bias", [SIZES.classes]],
];

/** `{ weights: { name: { shape, data } }, inputs [batch, steps, features], labels [batch], batch }`. */
export function loadLstmProblem(batch) {
  const { floats, integers } = generator();
  const bound = 1 / Math.sqrt(SIZES.units);
  const weights = Object.fromEntries(
    LSTM_PARAMETERS.map(([name, shape]) => [name, { shape, data: floats(shape, bound) }]),
  );
  const inputs = floats([batch, SIZES.steps, SIZES.features], 1);
  return { weights, inputs, labels: integers(batch, SIZES.classes), batch };
}
