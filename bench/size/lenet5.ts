/** The smallest whole program: LeNet-5 trained on images in memory. Its size is measured; the images are noise. */
import { nn, optim, Trainer } from "weft";
import { openDevice } from "weft/browser";

const random = (length: number, below: number) =>
  Uint8Array.from({ length }, () => Math.floor(Math.random() * below));
const count = 128;
const images = {
  name: "noise",
  split: "train",
  count,
  inputs: { data: random(count * 784, 256), shape: [1, 28, 28], scale: 1 / 255 },
  labels: Int32Array.from(random(count, 10)),
  classes: 10,
};

const device = await openDevice({ backend: "webgpu" });
const model = nn.sequential(
  nn.conv2d(1, 6, 5, { padding: 2 }),
  nn.relu(),
  nn.maxPool2d(2),
  nn.conv2d(6, 16, 5),
  nn.relu(),
  nn.maxPool2d(2),
  nn.flatten(),
  nn.linear(400, 120),
  nn.relu(),
  nn.linear(120, 84),
  nn.relu(),
  nn.linear(84, 10),
);
const trainer = await Trainer.create(device, {
  model,
  loss: nn.crossEntropy(),
  optimizer: optim.adam({ learningRate: 1e-3 }),
  batchSize: 64,
});
const { epochs } = await trainer.fit(images, { epochs: 1 });
document.title = `trained ${trainer.steps} steps, loss ${epochs[0]?.loss.toFixed(3)}`;
