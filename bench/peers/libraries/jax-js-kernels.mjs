// jax-js's single kernels: one jitted function per case. A jitted gradient drops the forward work that it doesn't need.
// Runs are started without waiting for each other, and the device is waited for once at the end.
import {
  blockUntilReady,
  defaultDevice,
  getWebGPUDevice,
  init,
  jit,
  lax,
  nn,
  numpy as np,
  vjp,
} from "@jax-js/jax";
import { ADAM_UPDATES } from "../../kernels/reference.mjs";

export async function open() {
  if (!(await init("webgpu")).includes("webgpu")) throw new Error("jax-js: no WebGPU device");
  defaultDevice("webgpu");
  return {
    async build(testCase, data) {
      const inputs = testCase.inputs.map((shape, i) => np.array(data[i]).reshape(shape));
      await blockUntilReady(inputs);
      if (testCase.kind === "adam") return buildAdam(testCase, inputs);
      const step = jit(functionOf(testCase));
      const once = () => [step(...inputs.map((x) => x.ref))].flat();
      return {
        async run(k) {
          for (let i = 0; i < k; i++) await start(once());
          await getWebGPUDevice().queue.onSubmittedWorkDone();
        },
        outputs: () => Promise.all(once().map((y) => y.data())),
        free: () => {
          for (const x of inputs) x.dispose();
        },
      };
    },
  };
}

/** Submits the work of arrays without waiting for it, and frees them. */
async function start(arrays) {
  for (const array of arrays) await array.gpuBuffer();
}

function functionOf(testCase) {
  const { kind, pass } = testCase;
  if (kind === "matmul") {
    const turn = (x, transposed) => (transposed ? x.transpose() : x);
    return (a, b) => np.matmul(turn(a, testCase.transposeA), turn(b, testCase.transposeB));
  }
  if (kind === "conv2d") {
    const { n, c, h, w, out, kernel, padding } = testCase;
    const pads = [
      [padding, padding],
      [padding, padding],
    ];
    const convolve = (x, weight) => lax.convGeneralDilated(x, weight, [1, 1], pads);
    if (pass === "forward") return convolve;
    // A convolution is linear in each operand, so the point at which its gradient is taken does not matter.
    if (pass === "input")
      return (dy, weight) => pull((x) => convolve(x, weight), [np.zeros([n, c, h, w])], dy)[0];
    return (x, dy) => pull((weight) => convolve(x, weight), [np.zeros([out, c, kernel, kernel])], dy)[0];
  }
  if (kind === "pool") {
    const { n, c, h, w, mode } = testCase;
    const reduce = mode === "max" ? np.max : np.mean;
    const forward = (x) => reduce(x.reshape([n, c, h / 2, 2, w / 2, 2]), [3, 5]);
    return pass === "forward" ? forward : (x, dy) => pull(forward, [x], dy)[0];
  }
  if (kind === "softmax") {
    const forward = (x) => nn.softmax(x, -1);
    return pass === "forward" ? forward : (x, dy) => pull(forward, [x], dy)[0];
  }
  const forward = (x, weight, bias) => {
    const channels = (t) => t.reshape([1, -1, 1, 1]);
    const mean = np.mean(x.ref, [0, 2, 3], { keepdims: true });
    const centred = x.sub(mean);
    const variance = np.mean(centred.ref.mul(centred.ref), [0, 2, 3], { keepdims: true });
    const scale = np.reciprocal(np.sqrt(variance.add(testCase.eps)));
    return centred.mul(scale).mul(channels(weight)).add(channels(bias));
  };
  if (pass === "forward") return forward;
  return (x, weight, bias, dy) => pull(forward, [x, weight, bias], dy);
}

/** The gradients of f at the inputs, given that of its result. */
function pull(f, inputs, dy) {
  const [y, backward] = vjp(f, inputs);
  y.dispose();
  const gradients = backward(dy);
  backward.dispose();
  return gradients;
}

/** One jitted update of parameters and moments; the arrays that it replaces are freed. */
function buildAdam({ size, learningRate, beta1, beta2, epsilon }, [start0, g]) {
  const update = jit((p, m, v, power1, power2, gradient) => {
    const next1 = power1.mul(beta1);
    const next2 = power2.mul(beta2);
    const m1 = m.mul(beta1).add(gradient.ref.mul(1 - beta1));
    const v1 = v.mul(beta2).add(gradient.ref.mul(gradient).mul(1 - beta2));
    const denominator = np.sqrt(v1.ref.div(np.array(1).sub(next2.ref))).add(epsilon);
    const change = m1.ref.div(np.array(1).sub(next1.ref)).div(denominator).mul(learningRate);
    return [p.sub(change), m1, v1, next1, next2];
  });
  let state = [start0, np.zeros([size]), np.zeros([size]), np.array(1), np.array(1)];
  const advance = async (k) => {
    for (let i = 0; i < k; i++) {
      state = update(...state, g.ref);
      // Submitted in turn; the copy of the reference keeps the array alive.
      await start(state.slice(0, 1).map((x) => x.ref));
    }
    await getWebGPUDevice().queue.onSubmittedWorkDone();
  };
  return {
    run: advance,
    async outputs() {
      await advance(ADAM_UPDATES);
      return [await state[0].ref.data()];
    },
    free() {
      for (const x of [...state, g]) x.dispose();
    },
  };
}
