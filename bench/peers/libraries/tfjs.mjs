// TensorFlow.js core on its WebGPU backend: NHWC layout, fused convolution and dense layers, variableGrads and Adam.
// The first dense layer's inputs are reordered from (channel, row, column) to (row, column, channel) once at the start.
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import "@tensorflow/tfjs-layers"; // the only package whose Node build registers the gradients
import { ADAM } from "../settings.mjs";

export async function create({ weights, images, labels, batch }) {
  if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js: no WebGPU backend");
  await tf.ready();

  const variable = (name, value) => tf.variable(value, true, name);
  const w = tf.tidy(() => {
    const stored = (name) => tf.tensor(weights[name].data, weights[name].shape);
    const dense = (name) => tf.transpose(stored(name));
    const convolution = (name) => tf.transpose(stored(name), [2, 3, 1, 0]); // OIHW -> HWIO
    const fc1 = tf.reshape(
      tf.transpose(tf.reshape(stored("fc1.weight"), [120, 16, 5, 5]), [2, 3, 1, 0]),
      [400, 120],
    );
    const initial = {
      conv1: convolution("conv1.weight"),
      conv2: convolution("conv2.weight"),
      fc1,
      fc2: dense("fc2.weight"),
      fc3: dense("fc3.weight"),
    };
    const result = {};
    for (const layer of Object.keys(initial)) {
      result[layer] = {
        weight: variable(`${layer}.weight`, initial[layer]),
        bias: variable(`${layer}.bias`, stored(`${layer}.bias`)),
      };
    }
    return result;
  });
  const x = tf.tensor(images, [batch, 28, 28, 1]); // one channel: NCHW and NHWC hold the same bytes
  const target = tf.cast(tf.oneHot(tf.tensor(labels, [batch], "int32"), 10), "float32");
  const { learningRate, beta1, beta2, epsilon } = ADAM;
  const optimizer = tf.train.adam(learningRate, beta1, beta2, epsilon);

  const convolve = (input, { weight, bias }, pad) => {
    const h = tf.fused.conv2d({ x: input, filter: weight, bias, strides: 1, pad, activation: "relu" });
    return tf.maxPool(h, 2, 2, "valid");
  };
  const dense = (input, { weight, bias }, activation) =>
    tf.fused.matMul({ a: input, b: weight, bias, activation });
  const crossEntropy = () => {
    let h = convolve(x, w.conv1, "same"); // 5x5, stride 1: "same" pads 2 on each side
    h = tf.reshape(convolve(h, w.conv2, "valid"), [batch, 400]);
    h = dense(dense(h, w.fc1, "relu"), w.fc2, "relu");
    return tf.losses.softmaxCrossEntropy(target, dense(h, w.fc3, "linear"));
  };

  /** minimize() is variableGrads, applyGradients and the disposal of the gradients. */
  const run = () => optimizer.minimize(crossEntropy, true);
  const finish = async (loss) => {
    const [value] = await loss.data();
    loss.dispose();
    await tf.backend().queue.onSubmittedWorkDone();
    return value;
  };

  return {
    async firstLosses(n) {
      const losses = [];
      for (let i = 0; i < n; i++) losses.push(await finish(run()));
      return losses;
    },
    async steps(k) {
      for (let i = 1; i < k; i++) run().dispose();
      return finish(run());
    },
  };
}
