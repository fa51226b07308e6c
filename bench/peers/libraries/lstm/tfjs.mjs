// The LSTM step in TensorFlow.js core: the products of the inputs of all steps in one fused matMul, then a matMul and the cell
// per step, which is less work than tf.layers.lstm does. The interface is described in ../lenet5/weft.mjs.
import * as tf from "@tensorflow/tfjs-core";
import { LSTM_PARAMETERS, SIZES } from "../../lstm-problem.mjs";
import { ADAM } from "../../settings.mjs";
import { openTensorflow, trainingSession } from "../tfjs-training.mjs";

export async function create({ weights, inputs, labels, batch }) {
  await openTensorflow();
  const { steps, features, units, classes } = SIZES;
  const w = {};
  for (const [name, shape] of LSTM_PARAMETERS) {
    w[name] = tf.tidy(() => {
      const stored = tf.tensor(weights[name].data, shape);
      return tf.variable(shape.length === 2 ? tf.transpose(stored) : stored, true, name);
    });
  }
  const x = tf.tidy(() =>
    tf.reshape(tf.transpose(tf.tensor(inputs, [batch, steps, features]), [1, 0, 2]), [
      steps * batch,
      features,
    ]),
  );
  const target = tf.cast(tf.oneHot(tf.tensor(labels, [batch], "int32"), classes), "float32");

  const crossEntropy = () => {
    const bias = tf.add(w.bias_ih_l0, w.bias_hh_l0);
    const gates = tf.unstack(
      tf.reshape(tf.fused.matMul({ a: x, b: w.weight_ih_l0, bias }), [steps, batch, 4 * units]),
    );
    let h = tf.zeros([batch, units]);
    let c = tf.zeros([batch, units]);
    for (let t = 0; t < steps; t++) {
      const sums = tf.add(gates[t], tf.matMul(h, w.weight_hh_l0));
      const [i, f, g, o] = tf.split(sums, 4, 1);
      c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
      h = tf.mul(tf.sigmoid(o), tf.tanh(c));
    }
    const logits = tf.fused.matMul({ a: h, b: w["fc.weight"], bias: w["fc.bias"] });
    return tf.losses.softmaxCrossEntropy(target, logits);
  };
  return trainingSession(crossEntropy, ADAM);
}
