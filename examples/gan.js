/**
 * A generative adversarial network (Goodfellow et al., 2014) that learns eight clusters on a circle. Two phases with an
 * optimizer each run in one list of dispatches; each trains its own network only.   node examples/gan.js
 */
import { createPredictor, nn, ops, optim, report, Trainer } from "weft";
import { CENTRES, clusters, normalOf } from "./support/made-data.js";
import { run } from "./support/run.js";

const NOISE = 4;
const mlp = (from, to, width = 64) =>
  nn.sequential(
    ...[nn.linear(from, width), nn.leakyRelu(0.2), nn.linear(width, width), nn.leakyRelu(0.2)],
    nn.linear(width, to),
  );
export const networks = () => ({ discriminator: mlp(2, 1), generator: mlp(NOISE, 2) });

/** Mean of -log sigmoid(logits) for real ones, -log(1 - sigmoid(logits)) for others. */
const verdict = (logits, isReal) =>
  ops.bceWithLogits(logits, isReal ? ops.ones(logits.shape) : ops.zeros(logits.shape));

export const discriminatorLoss = ({ discriminator, generator }, points, noise) =>
  ops.add(
    verdict(discriminator.forward(points), true),
    verdict(discriminator.forward(generator.forward(noise)), false),
  );
/** The generator wants its points to be taken for real. */
export const generatorLoss = ({ discriminator, generator }, noise) =>
  verdict(discriminator.forward(generator.forward(noise)), true);

export async function main({ device, callbacks, steps = 6000, batchSize = 128, random = Math.random }) {
  const models = networks();
  const adam = () => optim.adam({ learningRate: 1e-3, betas: [0.5, 0.999] });
  const trainer = await Trainer.create(device, {
    // Both phases get the same noise.
    prepare: ({ points }, { random }) => ({ points, noise: ops.normal([batchSize, NOISE], random) }),
    phases: {
      discriminator: {
        model: models.discriminator,
        optimizer: adam(),
        step: ({ points, noise }) => ({ loss: discriminatorLoss(models, points, noise) }),
      },
      generator: {
        model: models.generator,
        optimizer: adam(),
        step: ({ noise }) => ({ loss: generatorLoss(models, noise) }),
      },
    },
    batchSize,
    seed: 1,
  });
  await trainer.fit(clusters(64 * batchSize, random), { steps, callbacks });
  const predictor = await createPredictor(
    { model: models.generator, device },
    { inputs: [NOISE], batchSize: 800 },
  );
  const noise = Float32Array.from({ length: 800 * NOISE }, normalOf(random));
  const { values } = await predictor.predict(noise);
  const made = Array.from({ length: 800 }, (_, i) => [values[2 * i], values[2 * i + 1]]);
  const nearest = made.map((p) => Math.min(...CENTRES.map((c) => Math.hypot(p[0] - c[0], p[1] - c[1]))));
  const found = CENTRES.filter((c) => made.some((p) => Math.hypot(p[0] - c[0], p[1] - c[1]) < 0.15));
  const close = nearest.filter((d) => d < 0.2).length / made.length;
  return {
    text: `${found.length} of 8 clusters found, ${(100 * close).toFixed(0)} % of the points are near one`,
    svg: report.scatterPlot({
      title: "Points that the generator makes",
      xLabel: "x",
      yLabel: "y",
      series: [{ name: "generated", points: made }],
    }),
  };
}

await run(import.meta, main);
