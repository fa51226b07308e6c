/**
 * Endless data: a sensor gives readings one after another, and a network learns to say what it will read next while they
 * arrive. Halfway, the signal changes, and the network follows.   node examples/stream.js
 */
import { data, nn, optim, report, Trainer } from "weft";
import { run } from "./support/run.js";

const WINDOW = 16;

/** Readings of a sum of two waves with noise; from `change` on, their periods are others. */
export function* sensor(change, random = Math.random) {
  for (let t = 0; ; t++) {
    const [slow, fast] = t < change ? [40, 11] : [25, 7];
    const wave = Math.sin((2 * Math.PI * t) / slow) + 0.5 * Math.sin((2 * Math.PI * t) / fast);
    yield wave + 0.05 * (random() + random() - 1);
  }
}

/** Samples of WINDOW readings and the one after them. */
export function* windows(readings) {
  const latest = [];
  for (const reading of readings) {
    if (latest.length === WINDOW) {
      yield { inputs: Float32Array.from(latest), labels: Float32Array.of(reading) };
      latest.shift();
    }
    latest.push(reading);
  }
}

export const makeNetwork = () => nn.sequential(nn.linear(WINDOW, 32), nn.tanh(), nn.linear(32, 1));

export async function main({ device, callbacks, steps = 2000, batchSize = 32, random = Math.random }) {
  const trainer = await Trainer.create(device, {
    model: makeNetwork(),
    loss: nn.mse(),
    optimizer: optim.adam({ learningRate: 3e-3 }),
    batchSize,
    shuffle: false,
    seed: 1,
  });
  const stream = data.fromGenerator(() => windows(sensor((steps * batchSize) / 2, random)), {
    columns: { inputs: { shape: [WINDOW] }, labels: { shape: [1] } },
  });
  const errors = [];
  const onSteps = (first, taken) => errors.push(...taken.map(({ loss }, i) => [first + i, Math.sqrt(loss)]));
  await trainer.fit(stream, { steps, onSteps, callbacks });
  const mean = (part) => part.reduce((sum, [, error]) => sum + error, 0) / part.length;
  const tenth = Math.round(steps / 20);
  const half = steps / 2;
  return {
    text:
      `Error before the change ${mean(errors.slice(half - tenth, half)).toFixed(3)}, ` +
      `after it ${mean(errors.slice(half, half + 5)).toFixed(3)}, at the end ${mean(errors.slice(-tenth)).toFixed(3)}`,
    svg: report.lineChart({
      title: "A signal that changes halfway",
      xLabel: "step",
      yLabel: "error of the next reading",
      series: [{ name: "error", points: errors }],
      logY: true,
    }),
  };
}

await run(import.meta, main);
