// A process of its own that trains LeNet-5 with the trainer on a data set of MNIST's size, for its peak memory. What the
// images show plays no part. Prints JSON.
import { dirname, join } from "node:path";

const STEPS = 300;
const COUNT = 60_000;

const build = process.env.WEFT_BUILD;
const [weft, { openDevice }] = await Promise.all([import(build), import(join(dirname(build), "node.js"))]);
const { nn, optim, recipes, Trainer } = weft;
const data = new Uint8Array(COUNT * 784);
for (let i = 0; i < data.length; i++) data[i] = (i * 2654435761) >>> 24;
const train = {
  name: "noise",
  split: "train",
  count: COUNT,
  inputs: { data, shape: [1, 28, 28], scale: 1 / 255 },
  labels: Int32Array.from({ length: COUNT }, (_, i) => i % 10),
  classes: 10,
};
const device = await openDevice({ backend: "webgpu" });
const options = {
  model: recipes.lenet5(),
  loss: nn.crossEntropy(),
  optimizer: optim.adam(),
  batchSize: 64,
  seed: 1,
};
const trainer = await Trainer.create(device, options);
const { epochs } = await trainer.fit(train, { steps: STEPS });
await device.close();
const { loss } = epochs[0];
console.log(JSON.stringify({ loss, steps: trainer.steps, peakMiB: process.resourceUsage().maxRSS / 1024 }));
