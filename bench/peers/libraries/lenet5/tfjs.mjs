// LeNet-5 in TensorFlow.js core: NHWC layout, fused convolution and dense layers.
// The first dense layer's inputs are reordered from (channel, row, column) to (row, column, channel) once at the start.
import * as tf from "@tensorflow/tfjs-core";
import { ADAM } from "../../settings.mjs";
import { openTensorflow, trainingSession } from "../tfjs-training.mjs";

export async function create({ weights, images, labels, batch }) {
  await openTensorflow();
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
  return trainingSession(crossEntropy, ADAM);
}
