/**
 * A variational autoencoder (Kingma and Welling, 2014): a step function with random numbers, two networks and two figures
 * beside the loss.   node examples/vae.js --epochs 20
 */
import { nn, ops, optim, report, Trainer } from "weft";
import { datasets } from "weft/node";
import { run } from "./support/run.js";

const CODE = 8;

export const networks = (pixels = 784, width = 128) => ({
  /** To mean and logarithm of the variance of the code. */
  encoder: nn.sequential(nn.flatten(), nn.linear(pixels, width), nn.relu(), nn.linear(width, 2 * CODE)),
  decoder: nn.sequential(nn.linear(CODE, width), nn.relu(), nn.linear(width, pixels)),
});

/** Both parts of the negative lower bound in nats, one value per image. `noise`: standard normal [n, CODE]. */
export function lowerBound({ encoder, decoder }, images, noise) {
  const [mean, logVariance] = ops.split(encoder.forward(images), CODE, 1);
  const variance = ops.exp(logVariance);
  const code = ops.add(mean, ops.mul(noise, ops.sqrt(variance)));
  const pixels = ops.flatten(images);
  const lost = ops.bceWithLogits(decoder.forward(code), pixels, { reduction: "none" });
  const excess = ops.sub(ops.add(ops.square(mean), variance), ops.add(logVariance, 1));
  return {
    reconstruction: ops.sum(lost, { axes: 1 }),
    divergence: ops.mul(ops.sum(excess, { axes: 1 }), 0.5),
  };
}

/** The last batch of an epoch is filled up with samples of weight 0. */
const meanOver = (values, weights) => ops.div(ops.sum(ops.mul(values, weights)), ops.sum(weights));

export async function main({ device, callbacks, train, test, epochs = 20, batchSize = 100 }) {
  const model = networks(train.inputs.shape.reduce((size, extent) => size * extent, 1));
  const trainer = await Trainer.create(device, {
    model,
    optimizer: optim.adam({ learningRate: 1e-3 }),
    batchSize,
    step({ inputs, weights }, { random }) {
      const parts = lowerBound(model, inputs, ops.normal([inputs.shape[0], CODE], random));
      const reconstruction = meanOver(parts.reconstruction, weights);
      const divergence = meanOver(parts.divergence, weights);
      return { loss: ops.add(reconstruction, divergence), metrics: { reconstruction, divergence } };
    },
  });
  const { epochs: records } = await trainer.fit(train, { epochs, validation: test, callbacks });
  const curve = (name, of) => ({ name, points: records.map((r) => [r.epoch, of(r)]) });
  const { loss, metrics } = records.at(-1).val;
  return {
    text: `Lower bound ${(-loss).toFixed(1)} nats per test image, ${metrics.divergence.toFixed(1)} of them in the code`,
    svg: report.lineChart({
      title: "Negative lower bound",
      xLabel: "epoch",
      yLabel: "nats per image",
      series: [curve("training", (r) => r.loss), curve("test", (r) => r.val.loss)],
    }),
  };
}

await run(import.meta, main, () => datasets.mnist());
