// The LSTM in jax-js. It has no scan, so the steps are unrolled; the products of the inputs of all steps are one matmul. The
// interface is described in ../lenet5/weft.mjs.
import { nn, numpy as np } from "@jax-js/jax";
import { SIZES } from "../../lstm-problem.mjs";
import { ADAM } from "../../settings.mjs";
import { openJax, trainingSession } from "../jax-js-training.mjs";

const { steps, features, units, classes } = SIZES;

export async function create({ weights, inputs, labels, batch }) {
  await openJax();
  const byTime = new Float32Array(inputs.length);
  for (let n = 0; n < batch; n++) {
    for (let t = 0; t < steps; t++) {
      const row = (n * steps + t) * features;
      byTime.set(inputs.subarray(row, row + features), (t * batch + n) * features);
    }
  }
  const x = np.array(byTime).reshape([steps * batch, features]);
  const target = nn.oneHot(np.array(labels, { dtype: np.int32 }), classes);
  return trainingSession({ weights, data: [x, target], loss: crossEntropy, optimizer: ADAM });
}

function crossEntropy(w, x, target) {
  const batch = target.shape[0];
  const bias = w.bias_ih_l0.add(w.bias_hh_l0);
  const gates = np
    .matmul(x, w.weight_ih_l0.transpose())
    .add(bias)
    .reshape([steps, batch, 4 * units]);
  const recurrent = w.weight_hh_l0.transpose();
  let h = np.zeros([batch, units]);
  let c = np.zeros([batch, units]);
  for (let t = 0; t < steps; t++) {
    const sums = gates.ref.slice(t).add(np.matmul(h, recurrent.ref));
    const gate = (i) => sums.ref.slice([], [i * units, (i + 1) * units]);
    const next = nn
      .sigmoid(gate(1))
      .mul(c)
      .add(nn.sigmoid(gate(0)).mul(np.tanh(gate(2))));
    c = next.ref;
    h = nn.sigmoid(gate(3)).mul(np.tanh(next));
    sums.dispose();
  }
  c.dispose();
  gates.dispose();
  recurrent.dispose();
  const logits = np.matmul(h, w["fc.weight"].transpose()).add(w["fc.bias"]);
  return nn
    .logSoftmax(logits, -1)
    .mul(target)
    .sum()
    .mul(-1 / batch);
}
