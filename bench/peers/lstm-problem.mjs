// The second training problem: an LSTM over sequences, whose last state a linear layer classifies. All numbers come from one
// generator, which torch_lstm.py repeats, in the order below.

export const SIZES = { steps: 64, features: 128, units: 128, classes: 10 };

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
  let seed = 1;
  const uniform = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const draw = (shape, bound) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => (2 * uniform() - 1) * bound);
  const bound = 1 / Math.sqrt(SIZES.units);
  const weights = Object.fromEntries(
    LSTM_PARAMETERS.map(([name, shape]) => [name, { shape, data: draw(shape, bound) }]),
  );
  const inputs = draw([batch, SIZES.steps, SIZES.features], 1);
  const labels = Int32Array.from({ length: batch }, () => Math.floor(uniform() * SIZES.classes));
  return { weights, inputs, labels, batch };
}
