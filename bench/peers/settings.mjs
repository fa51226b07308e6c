// Settings of the problem that every library is given, apart from its data.

/** Adam as the golden trajectory uses it. */
export const ADAM = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** AdamW with clipping of the global gradient norm; all parameters decay. */
export const ADAMW = { ...ADAM, weightDecay: 0.1, clipNorm: 1 };

/** Layers in order with the shapes of their weights and biases, PyTorch layout. */
export const PARAMETERS = ["conv1", "conv2", "fc1", "fc2", "fc3"].flatMap((layer) => [
  `${layer}.weight`,
  `${layer}.bias`,
]);
