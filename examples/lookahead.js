/**
 * Lookahead (Zhang et al., 2019) around any optimizer: slow weights follow the fast ones every few steps, and the fast ones go on
 * from there. Two programs share the weights on the device.   node examples/lookahead.js
 */
import { constant, data, nn, ops, optim, report, state } from "weft";
import { run } from "./support/run.js";

/**
 * Programs that copy the weights to slow ones, and that move both to a point between them: `share` of the way from slow to fast.
 */
export async function lookahead(device, weights, share) {
  const slow = weights.map((t) => state(t.shape));
  const start = await device.compile({ outputs: [], updates: slow.map((t, i) => ops.assign(t, weights[i])) });
  const between = slow.map((t, i) => ops.add(t, ops.mul(ops.sub(weights[i], t), share)));
  const updates = between.flatMap((value, i) => [ops.assign(slow[i], value), ops.assign(weights[i], value)]);
  return { start, synchronise: await device.compile({ outputs: [], updates }), slow };
}

export async function main({
  device,
  rounds = 60,
  fastSteps = 10,
  share = 0.5,
  count = 200,
  learningRate = 0.2,
}) {
  const set = data.spirals({ count, noise: 0.02, seed: 1 });
  const x = constant(set.inputs.data, [count, 2]);
  const series = [];
  for (const looks of [false, true]) {
    const model = nn.sequential(nn.linear(2, 32), nn.tanh(), nn.linear(32, 32), nn.tanh(), nn.linear(32, 2));
    const weights = [...nn.namedParameters(model).values()];
    const { loss } = ops.crossEntropy(model.forward(x), constant(set.labels));
    // A rate at which Adam alone is unsteady.
    const { updates } = optim.adam({ learningRate }).minimize(loss, weights);
    const program = await device.compile({ outputs: [loss], updates }, { seed: 3 });
    const { start, synchronise } = await lookahead(device, weights, share);
    start.run();
    /** @type {[number, number][]} */
    const points = [];
    for (let round = 1; round <= rounds; round++) {
      program.run(fastSteps);
      if (looks) synchronise.run();
      points.push([round * fastSteps, (await program.read(loss))[0]]);
    }
    series.push({ name: looks ? "Lookahead around Adam" : "Adam", points });
  }
  const last = series.map(({ points }) => points.at(-1)[1]);
  return {
    text: `Loss ${last[1].toFixed(3)} with Lookahead, ${last[0].toFixed(3)} without`,
    svg: report.lineChart({ title: "Two spirals", xLabel: "step", yLabel: "loss", series }),
  };
}

await run(import.meta, main);
