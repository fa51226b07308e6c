// The GPT in TensorFlow.js core; linear layers are fused matMuls of all tokens. The interface is described in ../lenet5/weft.mjs.
import * as tf from "@tensorflow/tfjs-core";
import { ADAMW } from "../../settings.mjs";
import { openTensorflow, trainingSession } from "../tfjs-training.mjs";

const NORM_EPSILON = 1e-5;

export async function create({ sizes, weights, tokens, labels, batch }) {
  await openTensorflow();
  const { layers, heads, embedSize: C, contextLength: T, vocabSize } = sizes;
  const w = {};
  for (const [name, { shape, data }] of Object.entries(weights))
    w[name] = tf.variable(tf.tensor(data, shape), true, name);
  const ids = tf.tensor(tokens, [batch, T], "int32");
  const target = tf.cast(tf.oneHot(tf.tensor(labels, [batch * T], "int32"), vocabSize), "float32");
  // Added to the scores: far below them after the diagonal.
  const mask = tf.tidy(() => tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([T, T]), -1, 0)), -1e9));

  const linear = (a, name) =>
    tf.fused.matMul({ a, b: w[`${name}.weight`], bias: w[`${name}.bias`], transposeB: true });
  const norm = (x, name) => {
    const { mean, variance } = tf.moments(x, -1, true);
    const scaled = tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, NORM_EPSILON)));
    return tf.add(tf.mul(scaled, w[`${name}.weight`]), w[`${name}.bias`]);
  };
  const gelu = (x) => {
    const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.mul(x, tf.square(x)))));
    return tf.mul(tf.mul(x, 0.5), tf.add(1, tf.tanh(inner)));
  };
  const attention = (x, name) => {
    const [q, k, v] = tf
      .split(linear(x, `${name}.c_attn`), 3, 1)
      .map((t) => tf.transpose(tf.reshape(t, [batch, T, heads, C / heads]), [0, 2, 1, 3]));
    const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(C / heads));
    const y = tf.matMul(tf.softmax(tf.add(scores, mask)), v);
    return linear(tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [batch * T, C]), `${name}.c_proj`);
  };
  const loss = () => {
    const embedded = tf.add(tf.gather(w["wte.weight"], ids), w["wpe.weight"]);
    let x = tf.reshape(embedded, [batch * T, C]);
    for (let i = 0; i < layers; i++) {
      x = tf.add(x, attention(norm(x, `h.${i}.ln_1`), `h.${i}.attn`));
      const hidden = gelu(linear(norm(x, `h.${i}.ln_2`), `h.${i}.mlp.c_fc`));
      x = tf.add(x, linear(hidden, `h.${i}.mlp.c_proj`));
    }
    const logits = tf.matMul(norm(x, "ln_f"), w["wte.weight"], false, true);
    return tf.losses.softmaxCrossEntropy(target, logits);
  };
  return trainingSession(loss, ADAMW);
}
