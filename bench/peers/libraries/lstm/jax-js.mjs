// The LSTM step in jax-js, one jitted function. It has no scan, so the steps are unrolled; the products of the inputs of all steps
// are one matmul. The interface is described in ../weft.mjs.
import {
  blockUntilReady,
  defaultDevice,
  getWebGPUDevice,
  init,
  jit,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
} from "@jax-js/jax";
import { LSTM_PARAMETERS, SIZES } from "../../lstm-problem.mjs";
import { ADAM } from "../../settings.mjs";

const { steps, features, units, classes } = SIZES;

export async function create({ weights, inputs, labels, batch }) {
  const ready = await init("webgpu");
  if (!ready.includes("webgpu")) throw new Error("jax-js: no WebGPU device");
  defaultDevice("webgpu");
  const each = (make) =>
    Object.fromEntries(LSTM_PARAMETERS.map(([name, shape]) => [name, make(name, shape)]));
  const zeros = () => each((_, shape) => np.zeros(shape));
  const byTime = new Float32Array(inputs.length);
  for (let n = 0; n < batch; n++) {
    for (let t = 0; t < steps; t++) {
      const row = (n * steps + t) * features;
      byTime.set(inputs.subarray(row, row + features), (t * batch + n) * features);
    }
  }
  const x = np.array(byTime).reshape([steps * batch, features]);
  const target = nn.oneHot(np.array(labels, { dtype: np.int32 }), classes);
  let state = {
    weights: each((name, shape) => np.array(weights[name].data).reshape(shape)),
    m: zeros(),
    v: zeros(),
    power1: np.array(1),
    power2: np.array(1),
  };
  const step = jit(adamStep);
  const run = () => {
    const [loss, next] = step(state, x.ref, target.ref);
    state = next;
    return loss;
  };
  const finish = async (loss) => {
    const [value] = await loss.data();
    await getWebGPUDevice().queue.onSubmittedWorkDone();
    return value;
  };
  await blockUntilReady([x, target]);
  return {
    async firstLosses(n) {
      const losses = [];
      for (let i = 0; i < n; i++) losses.push(await finish(run()));
      return losses;
    },
    async steps(k) {
      for (let i = 1; i < k; i++) {
        const loss = run();
        await loss.blockUntilReady();
        loss.dispose();
      }
      return finish(run());
    },
  };
}

function adamStep(state, x, target) {
  const { learningRate, beta1, beta2, epsilon } = ADAM;
  const [loss, gradients] = valueAndGrad(crossEntropy)(tree.ref(state.weights), x, target);
  const power1 = state.power1.mul(beta1);
  const power2 = state.power2.mul(beta2);
  const correction1 = np.array(1).sub(power1.ref);
  const correction2 = np.array(1).sub(power2.ref);
  const next = { weights: {}, m: {}, v: {}, power1, power2 };
  for (const [name] of LSTM_PARAMETERS) {
    const g = gradients[name];
    const m = state.m[name].mul(beta1).add(g.ref.mul(1 - beta1));
    const v = state.v[name].mul(beta2).add(g.ref.mul(g).mul(1 - beta2));
    const denominator = np.sqrt(v.ref.div(correction2.ref)).add(epsilon);
    next.weights[name] = state.weights[name].sub(
      m.ref.div(correction1.ref).div(denominator).mul(learningRate),
    );
    next.m[name] = m;
    next.v[name] = v;
  }
  correction1.dispose();
  correction2.dispose();
  return [loss, next];
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
