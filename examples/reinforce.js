/**
 * REINFORCE (Williams, 1992) balances a pole on a cart: the program makes its own batches, of as many moves as an episode had.
 * Solved where the last 20 of 200 episodes last 180 steps on average, of at most 200.   node examples/reinforce.js
 */
import { createPredictor, nn, ops, optim, report, Trainer } from "weft";
import { move } from "./support/cart-pole.js";
import { run } from "./support/run.js";

const [LONGEST, DISCOUNT] = [200, 0.99];

export const policyNetwork = () => nn.sequential(nn.linear(4, 32), nn.tanh(), nn.linear(32, 2));

/** Mean of -log p(action) times the return. */
export function policyLoss(policy, { observations, actions, returns, weights }) {
  const chosen = ops.mul(ops.oneHot(actions, 2), ops.logSoftmax(policy.forward(observations)));
  const terms = ops.mul(ops.sum(chosen, { axes: 1 }), ops.mul(returns, weights));
  return ops.neg(ops.div(ops.sum(terms), ops.sum(weights)));
}

export async function main({ device, episodes = 200, random = Math.random, log = console.log }) {
  const policy = policyNetwork();
  const trainer = await Trainer.create(device, {
    model: policy,
    optimizer: optim.adam({ learningRate: 1e-2 }),
    batchSize: LONGEST,
    step: (batch) => ({ loss: policyLoss(policy, batch) }),
    seed: 1,
  });
  const predictor = await createPredictor(trainer, {
    batchSize: 1,
    output: "softmax",
    inputs: [4],
  });
  /** Returns of the latest episodes, whose mean is what a move is worth as a rule. */
  let recent = [];
  const lengths = [];
  while (lengths.length < episodes) {
    let state = Array.from({ length: 4 }, () => 0.1 * random() - 0.05);
    const [observations, actions] = [[], []];
    while (state !== undefined && actions.length < LONGEST) {
      const { values } = await predictor.predict(Float32Array.from(state));
      const action = random() < values[1] ? 1 : 0;
      observations.push(...state);
      actions.push(action);
      state = move(state, action);
    }
    // An episode that was cut off, not lost, would have gone on.
    const left = (t) => (state === undefined ? 1 - DISCOUNT ** (actions.length - t) : 1) / (1 - DISCOUNT);
    const returns = actions.map((_, t) => left(t));
    recent = [...recent, ...returns].slice(-2000);
    const mean = recent.reduce((a, b) => a + b) / recent.length;
    const spread = Math.sqrt(recent.reduce((sum, r) => sum + (r - mean) ** 2, 0) / recent.length) + 1e-8;
    await trainer.step({
      observations: Float32Array.from(observations),
      actions: Int32Array.from(actions),
      returns: Float32Array.from(returns, (r) => (r - mean) / spread),
    });
    lengths.push(actions.length);
    if (lengths.length % 20 === 0) log(`Episode ${lengths.length}: ${actions.length} steps`);
  }
  const last = lengths.slice(-20).reduce((a, b) => a + b) / 20;
  const points = lengths.map((length, i) => [i + 1, length]);
  const chart = {
    title: "CartPole",
    xLabel: "episode",
    yLabel: "steps",
    series: [{ name: "steps", points }],
  };
  return { text: `Mean of the last 20 episodes: ${last.toFixed(1)} steps`, svg: report.lineChart(chart) };
}

await run(import.meta, main);
