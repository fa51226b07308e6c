// Run in a process of its own: trains LeNet-5 on noise of MNIST's size, to measure peak memory. Images are read in pieces and
// uploaded, as MNIST is from its file. A short run on 64 samples comes first: the memory after it is that of Node, Dawn, the
// driver with compiled kernels and the library, independent of the data. Prints JSON, memory in MiB.
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
  return {
    name: "noise",
    split: "train",
    count,
    inputs: { bytes: true, shape: [1, 28, 28], scale: 1 / 255 },
    classes: 10,
    async read(start, n, into) {
      const inputs = into?.inputs.length === n * 784 ? into.inputs : new Uint8Array(n * 784);
      for (let i = 0; i < inputs.length; i++) inputs[i] = ((start * 784 + i) * 2654435761) >>> 24;
      return { inputs, labels: Int32Array.from({ length: n }, (_, i) => (start + i) % 10) };
    },
  };
}
