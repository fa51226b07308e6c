// A process of its own that trains LeNet-5 with the trainer on a data set of MNIST's size, for its peak memory. What the
// images show plays no part. Before that it takes a few steps on hardly any data: what it holds then belongs to Node,
// Dawn, the driver with its compiled kernels and the library, however large the data. Prints JSON, memory in MiB.
import { dirname, join } from "node:path";

const STEPS = 300;
const COUNT = 60_000;

const resident = () => process.memoryUsage.rss() / 2 ** 20;
const build = process.env.WEFT_BUILD;
const node = resident();
const [weft, { openDevice }] = await Promise.all([import(build), import(join(dirname(build), "node.js"))]);
const library = resident();
const { nn, optim, recipes, Trainer } = weft;
const device = await openDevice({ backend: "webgpu" });
const driver = resident();
const options = {
  model: recipes.lenet5(),
  loss: nn.crossEntropy(),
  optimizer: optim.adam(),
  batchSize: 64,
  seed: 1,
};
await (await Trainer.create(device, options)).fit(noise(64), { steps: 2 });
const kernels = resident();
const trainer = await Trainer.create(device, { ...options, model: recipes.lenet5() });
const { epochs } = await trainer.fit(noise(COUNT), { steps: STEPS });
await device.close();
const { loss } = epochs[0];
const peakMiB = process.resourceUsage().maxRSS / 1024;
console.log(
  JSON.stringify({ loss, steps: trainer.steps, peakMiB, residentMiB: { node, library, driver, kernels } }),
);

function noise(count) {
  const data = new Uint8Array(count * 784);
  for (let i = 0; i < data.length; i++) data[i] = (i * 2654435761) >>> 24;
  return {
    name: "noise",
    split: "train",
    count,
    inputs: { data, shape: [1, 28, 28], scale: 1 / 255 },
    labels: Int32Array.from({ length: count }, (_, i) => i % 10),
    classes: 10,
  };
}
