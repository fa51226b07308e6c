/** The smallest page that trains: LeNet-5 on synthetic digits, on the visitor's adapter, one line per epoch. */
import { openDevice } from "../src/browser/index.ts";
import { data, nn, optim, recipes, Trainer } from "../src/index.ts";

const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const log = (line: string) => find("log").append(`${line}\n`);
const percent = (share = 0) => `${(100 * share).toFixed(1)} %`;

const device = await openDevice();
find("adapter").textContent = `Trains on: ${device.adapter}`;
const button = find<HTMLButtonElement>("train");
button.disabled = false;
button.addEventListener("click", async () => {
  button.disabled = true;
  const { train, test } = data.syntheticDigits({ train: 6000, test: 1000 });
  const trainer = await Trainer.create(device, {
    model: recipes.lenet5(),
    loss: nn.crossEntropy(),
    optimizer: optim.adam(),
    batchSize: 64,
    seed: 1,
  });
  for await (const event of trainer.fit(train, { epochs: 3, validation: test })) {
    if (event.event !== "epoch") continue;
    log(`epoch ${event.epoch}: loss ${event.loss.toFixed(3)}, validation ${percent(event.valAccuracy)}`);
  }
  button.disabled = false;
});
