// Training steps in TensorFlow.js core on its WebGPU backend: variableGrads, and its Adam.
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import "@tensorflow/tfjs-layers"; // the only package whose Node build registers the gradients

export async function openTensorflow() {
  if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js: no WebGPU backend");
  await tf.ready();
}

/** A session of steps that minimise `loss()`; `optimizer` is ADAM or ADAMW of settings.mjs. */
export function trainingSession(loss, { learningRate, beta1, beta2, epsilon, weightDecay = 0, clipNorm }) {
  const adam = tf.train.adam(learningRate, beta1, beta2, epsilon);
  const step = () => {
    const { value, grads } = tf.variableGrads(loss);
    const variables = tf.engine().registeredVariables;
    if (weightDecay !== 0) {
      for (const name of Object.keys(grads))
        variables[name].assign(tf.mul(variables[name], 1 - learningRate * weightDecay));
    }
    adam.applyGradients(clipNorm === undefined ? grads : clipped(grads, clipNorm));
    return value;
  };
  const run = () => tf.tidy(step);
  const finish = async (result) => {
    const [value] = await result.data();
    result.dispose();
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

/** Gradients scaled to a global norm of at most `clipNorm`. */
function clipped(gradients, clipNorm) {
  // addN of so many tensors would exceed the storage buffers of a shader.
  const squares = Object.values(gradients).map((g) => tf.sum(tf.square(g)));
  const scale = tf.minimum(1, tf.div(clipNorm, tf.sqrt(tf.sum(tf.stack(squares)))));
  return Object.fromEntries(Object.entries(gradients).map(([name, g]) => [name, tf.mul(g, scale)]));
}
