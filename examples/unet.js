/**
 * A U-Net (Ronneberger et al., 2015) marks discs and squares in noisy images, pixel by pixel: class labels [H, W], a path
 * down, a path up, and shortcuts between them.   node examples/unet.js
 */
import { nn, ops, optim, predict, Trainer } from "weft";
import { shapes } from "./support/made-data.js";
import { run } from "./support/run.js";

const convolution = (from, to) => [
  nn.conv2d(from, to, 3, { padding: 1, bias: false }),
  nn.batchNorm2d(to),
  nn.relu(),
];
const convolutions = (from, to) => nn.sequential(...convolution(from, to), ...convolution(to, to));

export class UNet {
  constructor(classes, width = 8) {
    this.down1 = convolutions(1, width);
    this.down2 = convolutions(width, 2 * width);
    this.bottom = convolutions(2 * width, 4 * width);
    this.widen2 = nn.convTranspose2d(4 * width, 2 * width, 2, { stride: 2 });
    this.up2 = convolutions(4 * width, 2 * width);
    this.widen1 = nn.convTranspose2d(2 * width, width, 2, { stride: 2 });
    this.up1 = convolutions(2 * width, width);
    this.head = nn.conv2d(width, classes, 1);
  }

  /** [N, 1, H, W] to logits [N, classes, H, W]. */
  forward(x) {
    const high = this.down1.forward(x);
    const middle = this.down2.forward(ops.maxPool2d(high, 2));
    const low = this.bottom.forward(ops.maxPool2d(middle, 2));
    const upper = this.up2.forward(ops.concat([middle, this.widen2.forward(low)], 1));
    return this.head.forward(this.up1.forward(ops.concat([high, this.widen1.forward(upper)], 1)));
  }
}

export async function main({ device, callbacks, epochs = 15, count = 800, size = 32, random = Math.random }) {
  const trainer = await Trainer.create(device, {
    model: new UNet(3),
    loss: nn.crossEntropy(),
    optimizer: optim.adam({ learningRate: 1e-2 }),
    batchSize: 16,
    seed: 1,
  });
  const [train, test] = [shapes(count, random, size), shapes(100, random, size)];
  await trainer.fit(train, { epochs, validation: test, callbacks });
  const { values } = await predict(trainer, test);
  const plane = size * size;
  const classAt = (i, j) =>
    [0, 1, 2].reduce((m, c) => (values[(3 * i + c) * plane + j] > values[(3 * i + m) * plane + j] ? c : m));
  const rows = [1, 2].map((c) => {
    let [both, either] = [0, 0];
    for (let i = 0; i < test.count * plane; i++) {
      const [guess, truth] = [classAt(Math.floor(i / plane), i % plane) === c, test.labels[i] === c];
      both += Number(guess && truth);
      either += Number(guess || truth);
    }
    return both / either;
  });
  const [disc, square] = rows.map((part) => part.toFixed(3));
  const mean = ((rows[0] + rows[1]) / 2).toFixed(3);
  return { text: `Intersection over union ${mean}: disc ${disc}, square ${square}` };
}

await run(import.meta, main);
