/**
 * Sharpness-aware minimisation (Foret et al., 2020) around any optimizer: the gradient is taken where the loss is highest in a
 * small ball around the weights, and applied to the weights. One graph has both gradients.   node examples/sam.js
 */
import { constant, data, gradients, nn, ops, optim, report } from "weft";
import { run } from "./support/run.js";

/** The layers' weights as tensors, so that the network can be applied to others. */
const layers = () => [nn.linear(2, 32), nn.linear(32, 32), nn.linear(32, 2)];
const network = (x, weights) =>
  weights.reduce((y, [weight, bias], i) => {
    const z = ops.linear(y, weight, bias);
    return i < weights.length - 1 ? ops.tanh(z) : z;
  }, x);
const pairs = (list) => Array.from({ length: list.length / 2 }, (_, i) => list.slice(2 * i, 2 * i + 2));

/** The updates of a SAM step down `lossOf(weights)`, and the loss at the weights themselves. */
export function samStep(optimizer, weights, lossOf, radius) {
  const loss = lossOf(weights);
  const uphill = gradients(loss, weights);
  const length = ops.add(ops.norm(ops.pack(uphill)), 1e-12);
  const worst = weights.map((w, i) => ops.detach(ops.add(w, ops.mul(ops.div(uphill[i], length), radius))));
  const { updates } = optimizer.apply(weights, gradients(lossOf(worst), worst));
  return { loss, updates };
}

export async function main({ device, steps = 600, radius = 0.1, count = 200 }) {
  const series = [];
  const errors = [];
  for (const rho of [0, radius]) {
    const [train, test] = [
      data.spirals({ count, noise: 0.1, seed: 1 }),
      data.spirals({ count, noise: 0.1, seed: 2 }),
    ];
    const weights = layers().flatMap(({ weight, bias }) => [weight, bias]);
    const lossOn = (set) => (ws) => {
      const x = constant(set.inputs.data, [count, 2]);
      return ops.crossEntropy(network(x, pairs(ws)), constant(set.labels)).loss;
    };
    const { loss, updates } = samStep(optim.adam({ learningRate: 0.01 }), weights, lossOn(train), rho);
    const program = await device.compile({ outputs: [loss], updates }, { seed: 3 });
    const held = lossOn(test)(weights);
    const evaluation = await device.compile({ outputs: [held] });
    /** @type {[number, number][]} */
    const points = [];
    for (let step = 0; step < steps; step += 20) {
      program.run(20);
      evaluation.run();
      points.push([step + 20, (await evaluation.read(held))[0]]);
    }
    series.push({ name: rho === 0 ? "Adam" : `SAM, radius ${rho}`, points });
    errors.push(points.at(-1)[1]);
  }
  const [plain, sharp] = errors;
  return {
    text: `Test loss ${sharp.toFixed(3)} with SAM, ${plain.toFixed(3)} without`,
    svg: report.lineChart({ title: "Two spirals", xLabel: "step", yLabel: "test loss", series }),
  };
}

await run(import.meta, main);
