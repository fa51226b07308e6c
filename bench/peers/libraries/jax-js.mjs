// jax-js: loss, gradients and Adam of one step as one jitted function; step counters stay on the GPU, nothing is
// uploaded per step. Refuses to run on another backend than WebGPU.
import {
  blockUntilReady,
  defaultDevice,
  getWebGPUDevice,
  init,
  jit,
  lax,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
} from "@jax-js/jax";
import { ADAM, PARAMETERS } from "../settings.mjs";

export async function create({ weights, images, labels, batch }) {
  const ready = await init("webgpu");
  if (!ready.includes("webgpu")) throw new Error("jax-js: no WebGPU device");
  defaultDevice("webgpu");

  const tensor = ({ data, shape }) => np.array(data).reshape(shape);
  const parameters = () => Object.fromEntries(PARAMETERS.map((name) => [name, tensor(weights[name])]));
  const zeros = () => Object.fromEntries(PARAMETERS.map((name) => [name, np.zeros(weights[name].shape)]));
  const x = np.array(images).reshape([batch, 1, 28, 28]);
  const target = nn.oneHot(np.array(labels, { dtype: np.int32 }), 10);
  let state = { weights: parameters(), m: zeros(), v: zeros(), power1: np.array(1), power2: np.array(1) };

  const step = jit(adamStep);
  const run = () => {
    const [loss, next] = step(state, x.ref, target.ref);
    state = next;
    return loss;
  };
  /** All results of a jitted function are submitted together, so reading the loss starts the update as well. */
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
    /** Waits for every step, as its manual asks for loops; without that, steps pile up unsubmitted and run no faster. */
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

/** One step: state and batch in, loss (before the update) and new state out. */
function adamStep(state, x, target) {
  const { learningRate, beta1, beta2, epsilon } = ADAM;
  const [loss, gradients] = valueAndGrad(crossEntropy)(tree.ref(state.weights), x, target);
  const power1 = state.power1.mul(beta1);
  const power2 = state.power2.mul(beta2);
  const correction1 = np.array(1).sub(power1.ref);
  const correction2 = np.array(1).sub(power2.ref);
  const next = { weights: {}, m: {}, v: {}, power1, power2 };
  for (const name of PARAMETERS) {
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
  const batch = x.shape[0];
  let h = convolution(x, w["conv1.weight"], w["conv1.bias"], 2);
  h = maxPool(nn.relu(h));
  h = convolution(h, w["conv2.weight"], w["conv2.bias"], 0);
  h = maxPool(nn.relu(h)).reshape([batch, 400]);
  h = nn.relu(linear(h, w["fc1.weight"], w["fc1.bias"]));
  h = nn.relu(linear(h, w["fc2.weight"], w["fc2.bias"]));
  const logits = linear(h, w["fc3.weight"], w["fc3.bias"]);
  return nn
    .logSoftmax(logits, -1)
    .mul(target)
    .sum()
    .mul(-1 / batch);
}

const convolution = (x, weight, bias, pad) =>
  lax
    .convGeneralDilated(
      x,
      weight,
      [1, 1],
      [
        [pad, pad],
        [pad, pad],
      ],
    )
    .add(bias.reshape([1, -1, 1, 1]));

const linear = (x, weight, bias) => np.matmul(x, weight.transpose()).add(bias);

function maxPool(x) {
  const [n, c, h, w] = x.shape;
  return np.max(x.reshape([n, c, h / 2, 2, w / 2, 2]), [3, 5]);
}
