/**
 * A model of two inputs and two outputs, a penalty on the slope of one of them, and an update rule of its own. It learns the
 * height of hills from place and season, and whether the place is above the snow line.   node examples/two-inputs.js
 */
import { gradients, nn, ops, optim, report, Trainer } from "weft";
import { hills } from "./support/made-data.js";
import { run } from "./support/run.js";

/** { place [n, 2], season [n, 2] } to { height [n, 1], snow [n, 1] }. */
export class Hills {
  constructor(width = 32) {
    this.place = nn.linear(2, width);
    this.season = nn.linear(2, width);
    this.hidden = nn.linear(width, width);
    this.height = nn.linear(width, 1);
    this.snow = nn.linear(width, 1);
  }

  forward({ place, season }) {
    const joined = ops.tanh(ops.add(this.place.forward(place), this.season.forward(season)));
    const hidden = ops.tanh(this.hidden.forward(joined));
    return { height: this.height.forward(hidden), snow: this.snow.forward(hidden) };
  }
}

/** Squared error, cross-entropy, and the squared slope of the height beyond `steepest`. */
export function lossOf(model, { place, season, height, snow }, steepest = 2) {
  const out = model.forward({ place, season });
  const error = ops.mse(out.height, height);
  const entropy = ops.bceWithLogits(out.snow, snow);
  const [slope] = gradients(ops.sum(out.height), [place]);
  const beyond = ops.relu(
    ops.sub(ops.sqrt(ops.add(ops.sum(ops.square(slope), { axes: 1 }), 1e-8)), steepest),
  );
  const penalty = ops.mean(ops.square(beyond));
  return {
    loss: ops.add(ops.add(error, entropy), ops.mul(penalty, 0.1)),
    metrics: { error, entropy, penalty },
  };
}

/** Gradient descent with Polyak's heavy ball, its momentum growing to 0.9 as the steps go on. */
export const heavyBall = (learningRate) =>
  optim.defineOptimizer({
    name: "heavyBall",
    learningRate,
    states: ["velocity"],
    rule({ parameter, gradient, learningRate, updateCount, states }) {
      const momentum = ops.div(ops.mul(updateCount, 0.9), ops.add(updateCount, 1));
      const velocity = ops.sub(ops.mul(states.velocity, momentum), ops.mul(gradient, learningRate));
      return { parameter: ops.add(parameter, velocity), velocity };
    },
  });

export async function main({ device, callbacks, epochs = 40, count = 4096, random = Math.random }) {
  const model = new Hills();
  const step = (batch) => lossOf(model, batch);
  const trainer = await Trainer.create(device, {
    model,
    optimizer: heavyBall(0.03),
    step,
    batchSize: 64,
    seed: 1,
  });
  const validation = hills(1024, random);
  const { epochs: records } = await trainer.fit(hills(count, random), { epochs, validation, callbacks });
  const { error, entropy } = records.at(-1).val.metrics;
  const series = ["error", "entropy"].map((name) => ({
    name,
    points: records.map((r) => [r.epoch, r.val.metrics[name]]),
  }));
  return {
    text: `Height to ${Math.sqrt(error).toFixed(3)}, snow line ${entropy.toFixed(3)} nats`,
    svg: report.lineChart({ title: "Two outputs", xLabel: "epoch", yLabel: "loss on new places", series }),
  };
}

await run(import.meta, main);
