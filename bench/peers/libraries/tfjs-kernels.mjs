// TensorFlow.js's single kernels on its WebGPU backend, in its own layouts (NHWC, HWIO). Convolution gradients are called
// as the kernels they are; where a gradient needs the forward pass, tf.grads does both.
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import "@tensorflow/tfjs-layers"; // the only package whose Node build registers the gradients
import { ADAM_UPDATES } from "../../kernels/reference.mjs";

const TO_NHWC = [0, 2, 3, 1];
const TO_NCHW = [0, 3, 1, 2];
const TO_HWIO = [2, 3, 1, 0];
const TO_OIHW = [3, 2, 0, 1];

export async function open() {
  if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js: no WebGPU backend");
  await tf.ready();
  return {
    async build(testCase, data) {
      if (testCase.kind === "adam") return buildAdam(testCase, data);
      const inputs = testCase.inputs.map((shape, i) => inOwnLayout(testCase, i, tf.tensor(data[i], shape)));
      const compute = functionOf(testCase);
      const once = () => [tf.tidy(() => compute(...inputs))].flat();
      return {
        async run(k) {
          for (let i = 0; i < k; i++) tf.dispose(once());
          await finish();
        },
        async outputs() {
          const found = once();
          const plain = found.map((y, i) => inCommonLayout(testCase, i, y));
          return Promise.all(plain.map((y) => y.data()));
        },
        free: () => tf.dispose(inputs),
      };
    },
  };
}

/** Submits what is left over and waits, as a read would, without copying a large result to the host. */
async function finish() {
  const backend = tf.backend();
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}

const isWeight = ({ kind, pass }, i) => kind === "conv2d" && i === 1 && pass !== "weight";

function inOwnLayout(testCase, i, x) {
  if (x.rank !== 4) return x;
  const moved = tf.transpose(x, isWeight(testCase, i) ? TO_HWIO : TO_NHWC);
  x.dispose();
  return moved;
}

function inCommonLayout({ kind, pass }, i, y) {
  if (y.rank !== 4) return y;
  return tf.transpose(y, kind === "conv2d" && pass === "weight" && i === 0 ? TO_OIHW : TO_NCHW);
}

function functionOf(testCase) {
  const { kind, pass } = testCase;
  const engine = tf.engine();
  if (kind === "matmul") {
    const { transposeA, transposeB } = testCase;
    return (a, b) => tf.matMul(a, b, transposeA, transposeB);
  }
  if (kind === "conv2d") {
    const { n, c, h, w, out, kernel, padding: pad } = testCase;
    if (pass === "forward") return (x, weight) => tf.conv2d(x, weight, 1, pad);
    const attrs = { strides: 1, pad, dataFormat: "NHWC", dimRoundingMode: "floor" };
    if (pass === "input") {
      const inputShape = [n, h, w, c];
      return (dy, filter) =>
        engine.runKernel("Conv2DBackpropInput", { dy, filter }, { ...attrs, inputShape });
    }
    const filterShape = [kernel, kernel, c, out];
    return (x, dy) => engine.runKernel("Conv2DBackpropFilter", { x, dy }, { ...attrs, filterShape });
  }
  if (kind === "pool") {
    const pool = testCase.mode === "max" ? tf.maxPool : tf.avgPool;
    const forward = (x) => pool(x, 2, 2, "valid");
    return pass === "forward" ? forward : (x, dy) => tf.grads(forward)([x], dy);
  }
  if (kind === "softmax") {
    const forward = (x) => tf.softmax(x);
    return pass === "forward" ? forward : (x, dy) => tf.grads(forward)([x], dy);
  }
  const forward = (x, weight, bias) => {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    return tf.batchNorm(x, mean, variance, bias, weight, testCase.eps);
  };
  if (pass === "forward") return forward;
  return (x, weight, bias, dy) => tf.grads(forward)([x, weight, bias], dy);
}

function buildAdam({ learningRate, beta1, beta2, epsilon }, [start, gradient]) {
  const p = tf.variable(tf.tensor1d(start), true);
  const g = tf.tensor1d(gradient);
  const optimizer = tf.train.adam(learningRate, beta1, beta2, epsilon);
  const advance = async (k) => {
    for (let i = 0; i < k; i++) optimizer.applyGradients({ [p.name]: g });
    await finish();
  };
  return {
    run: advance,
    async outputs() {
      await advance(ADAM_UPDATES);
      return [await p.data()];
    },
    free() {
      tf.dispose([p, g]);
      optimizer.dispose();
    },
  };
}
