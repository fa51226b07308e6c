/**
 * A Siamese network (Hadsell et al., 2006): one network maps both images of a pair, near each other if they show the same digit.
 * Digits it has seen in pairs only are then told apart by the nearest neighbour.   node examples/siamese.js
 */
import { data, nn, ops, optim, predict, report, Trainer } from "weft";
import { datasets } from "weft/node";
import { run } from "./support/run.js";

const MARGIN = 1;

export const makeNetwork = (pixels = 64) =>
  nn.sequential(nn.flatten(), nn.linear(pixels, 64), nn.relu(), nn.linear(64, 2));

/** d² for pairs of one class, max(0, margin - d)² for others, with d the distance of their images in the plane. */
export function contrastiveLoss(network, { a, b, same, weights }) {
  const squared = ops.sum(ops.square(ops.sub(network.forward(a), network.forward(b))), { axes: 1 });
  const apart = ops.square(ops.relu(ops.sub(MARGIN, ops.sqrt(ops.add(squared, 1e-6)))));
  const each = ops.where(same, squared, apart);
  return ops.div(ops.sum(ops.mul(each, weights)), ops.sum(weights));
}

/** As many pairs as `count`, half of them of one class. */
function pairsOf(set, count, random) {
  const size = data.sampleSize(set.inputs.shape);
  const [a, b] = [new Float32Array(count * size), new Float32Array(count * size)];
  const same = new Float32Array(count);
  for (let i = 0; i < count; ) {
    const [p, q] = [random(), random()].map((r) => Math.floor(r * set.count));
    const isSame = set.labels[p] === set.labels[q];
    if (isSame !== (i % 2 === 0)) continue;
    a.set(data.readSample(set, p), i * size);
    b.set(data.readSample(set, q), i * size);
    same[i++] = Number(isSame);
  }
  const { shape } = set.inputs;
  return data.fromColumns({ a: { data: a, shape }, b: { data: b, shape }, same: { data: same, shape: [] } });
}

export async function main({ device, callbacks, set, epochs = 30, pairs = 8000, random = Math.random }) {
  const network = makeNetwork(data.sampleSize(set.inputs.shape));
  const trainer = await Trainer.create(device, {
    model: network,
    optimizer: optim.adam({ learningRate: 2e-3 }),
    batchSize: 64,
    step: (batch) => ({ loss: contrastiveLoss(network, batch) }),
    seed: 1,
  });
  const [train, test] = data.split(set, 0.8, 1);
  await trainer.fit(pairsOf(train, pairs, random), { epochs, callbacks });
  const [known, asked] = [await predict(trainer, train), await predict(trainer, test)];
  const at = ({ values }, i) => [values[2 * i], values[2 * i + 1]];
  const right = Array.from({ length: test.count }, (_, i) => {
    const distance = (j) => Math.hypot(at(known, j)[0] - at(asked, i)[0], at(known, j)[1] - at(asked, i)[1]);
    const nearest = Array.from({ length: train.count }, (_, j) => j).reduce((m, j) =>
      distance(j) < distance(m) ? j : m,
    );
    return train.labels[nearest] === test.labels[i];
  });
  const series = Array.from({ length: 6 }, (_, digit) => ({
    name: String(digit),
    points: Array.from(test.labels.keys())
      .filter((i) => test.labels[i] === digit)
      .map((i) => at(asked, i)),
  }));
  return {
    text: `Nearest neighbour: ${((100 * right.filter(Boolean).length) / test.count).toFixed(1)} % of unseen images right`,
    svg: report.scatterPlot({ title: "Six digits in the plane", xLabel: "first", yLabel: "second", series }),
  };
}

await run(import.meta, main, async () => ({ set: await datasets.digits() }));
