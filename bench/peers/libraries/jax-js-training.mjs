// Training steps in jax-js: loss, gradients and optimizer of one step as one jitted function; step counters stay on the GPU,
// nothing is uploaded per step. Refuses to run on another backend than WebGPU.
import {
  blockUntilReady,
  defaultDevice,
  getWebGPUDevice,
  init,
  jit,
  numpy as np,
  tree,
  valueAndGrad,
} from "@jax-js/jax";

/** Its einsum calls methods of iterators that Node has from version 22. */
const iterators = Object.getPrototypeOf(Object.getPrototypeOf([].values()));
for (const name of ["map", "filter"]) {
  iterators[name] ??= function (change) {
    return [...this][name](change).values();
  };
}

export async function openJax() {
  const ready = await init("webgpu");
  if (!ready.includes("webgpu")) throw new Error("jax-js: no WebGPU device");
  defaultDevice("webgpu");
}

/**
 * @param {object} settings
 * @param {Record<string, { shape: number[], data: Float32Array }>} settings.weights
 * @param {object[]} settings.data arrays that every step uses
 * @param {(weights: object, ...data: object[]) => object} settings.loss
 * @param {object} settings.optimizer ADAM or ADAMW of settings.mjs
 */
export async function trainingSession({ weights, data, loss, optimizer }) {
  const each = (make) =>
    Object.fromEntries(Object.entries(weights).map(([name, value]) => [name, make(value)]));
  const zeros = () => each(({ shape }) => np.zeros(shape));
  let state = {
    weights: each((value) => np.array(value.data).reshape(value.shape)),
    m: zeros(),
    v: zeros(),
    power1: np.array(1),
    power2: np.array(1),
  };
  const step = jit((before, ...batch) => {
    const [value, gradients] = valueAndGrad(loss)(tree.ref(before.weights), ...batch);
    return [value, updated(before, clipped(gradients, optimizer), optimizer)];
  });
  const run = () => {
    const [value, next] = step(state, ...data.map((array) => array.ref));
    state = next;
    return value;
  };
  /** All results of a jitted function are submitted together, so reading the loss starts the update as well. */
  const finish = async (result) => {
    const [value] = await result.data();
    await getWebGPUDevice().queue.onSubmittedWorkDone();
    return value;
  };
  await blockUntilReady(data);
  return {
    async firstLosses(n) {
      const losses = [];
      for (let i = 0; i < n; i++) losses.push(await finish(run()));
      return losses;
    },
    /** Waits for every step, as its manual asks for loops; without that, steps pile up unsubmitted and run no faster. */
    async steps(k) {
      for (let i = 1; i < k; i++) {
        const result = run();
        await result.blockUntilReady();
        result.dispose();
      }
      return finish(run());
    },
  };
}

/** State and gradients in, new state out. */
function updated(state, gradients, { learningRate, beta1, beta2, epsilon, weightDecay = 0 }) {
  const power1 = state.power1.mul(beta1);
  const power2 = state.power2.mul(beta2);
  const correction1 = np.array(1).sub(power1.ref);
  const correction2 = np.array(1).sub(power2.ref);
  const next = { weights: {}, m: {}, v: {}, power1, power2 };
  for (const [name, g] of Object.entries(gradients)) {
    const m = state.m[name].mul(beta1).add(g.ref.mul(1 - beta1));
    const v = state.v[name].mul(beta2).add(g.ref.mul(g).mul(1 - beta2));
    const denominator = np.sqrt(v.ref.div(correction2.ref)).add(epsilon);
    next.weights[name] = state.weights[name]
      .mul(1 - learningRate * weightDecay)
      .sub(m.ref.div(correction1.ref).div(denominator).mul(learningRate));
    next.m[name] = m;
    next.v[name] = v;
  }
  correction1.dispose();
  correction2.dispose();
  return next;
}

/** Gradients scaled to a global norm of at most `clipNorm`, if there is one. */
function clipped(gradients, { clipNorm }) {
  if (clipNorm === undefined) return gradients;
  const squares = Object.values(gradients).map((g) => g.ref.mul(g.ref).sum());
  const norm = np.sqrt(squares.reduce((a, b) => a.add(b)));
  const scale = np.minimum(1, np.array(clipNorm).div(norm));
  const result = Object.fromEntries(Object.entries(gradients).map(([name, g]) => [name, g.mul(scale.ref)]));
  scale.dispose();
  return result;
}
