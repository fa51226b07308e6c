// LeNet-5 in jax-js. The interface is described in weft.mjs.
import { lax, nn, numpy as np } from "@jax-js/jax";
import { ADAM } from "../../settings.mjs";
import { openJax, trainingSession } from "../jax-js-training.mjs";

export async function create({ weights, images, labels, batch }) {
  await openJax();
  const x = np.array(images).reshape([batch, 1, 28, 28]);
  const target = nn.oneHot(np.array(labels, { dtype: np.int32 }), 10);
  return trainingSession({ weights, data: [x, target], loss: crossEntropy, optimizer: ADAM });
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
