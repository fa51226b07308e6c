// Compiles the run of lenet5.ts ahead of time with a built library: `node compile.mjs LIBRARY FILE`.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [library, file] = process.argv.slice(2);
const { nn, optim, recipes, compileAheadOfTime } = await import(
  pathToFileURL(join(library, "index.js")).href
);
const count = 128;
const train = {
  name: "noise",
  split: "train",
  count,
  inputs: { data: new Uint8Array(count * 784), shape: [1, 28, 28], scale: 1 / 255 },
  labels: new Int32Array(count),
  classes: 10,
};
const options = {
  model: recipes.lenet5(),
  loss: nn.crossEntropy(),
  optimizer: optim.adam({ learningRate: 1e-3 }),
  batchSize: 64,
};
await writeFile(file, JSON.stringify(await compileAheadOfTime(options, { train })));
