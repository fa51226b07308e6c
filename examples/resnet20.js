/**
 * ResNet-20 on CIFAR-10 (He et al., 2015): residual blocks, batch normalisation, random crops and flips, a rate that falls in
 * steps. The paper's 64,000 steps reach 91.25 %.   node examples/resnet20.js --steps 64000
 */
import { nn, optim, report, Trainer, transforms } from "weft";
import { datasets } from "weft/node";
import { run } from "./support/run.js";

/** Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes. */
const block = (from, to, stride) => [
  nn.residual(
    nn.sequential(
      nn.conv2d(from, to, 3, { padding: 1, stride, bias: false }),
      nn.batchNorm2d(to),
      nn.relu(),
      nn.conv2d(to, to, 3, { padding: 1, bias: false }),
      nn.batchNorm2d(to),
    ),
    from === to
      ? undefined
      : nn.sequential(nn.conv2d(from, to, 1, { stride, bias: false }), nn.batchNorm2d(to)),
  ),
  nn.relu(),
];

/** 6 n + 2 layers: a convolution, three stages of n blocks, a linear layer. */
export const resnet = (n) =>
  nn.sequential(
    nn.conv2d(3, 16, 3, { padding: 1, bias: false }),
    nn.batchNorm2d(16),
    nn.relu(),
    ...[16, 32, 64].flatMap((to, stage) => [
      ...(stage === 0 ? block(16, 16, 1) : block(to / 2, to, 2)),
      ...Array.from({ length: n - 1 }, () => block(to, to, 1)).flat(),
    ]),
    nn.globalAvgPool2d(),
    nn.flatten(),
    nn.linear(64, 10),
  );

export async function main({ device, callbacks, train, test, steps = 64_000, batchSize = 128, n = 3 }) {
  const [, size] = train.inputs.shape;
  const milestones = [Math.round(steps / 2), Math.round((3 * steps) / 4)];
  const trainer = await Trainer.create(device, {
    model: resnet(n),
    loss: nn.crossEntropy(),
    optimizer: optim.sgd({
      learningRate: optim.multiStep({ learningRate: 0.1, milestones, gamma: 0.1 }),
      momentum: 0.9,
      weightDecay: 1e-4,
    }),
    // Runs on the device, on every batch.
    transform: transforms.compose(
      transforms.randomCrop(size, { padding: 4 }),
      transforms.randomHorizontalFlip(),
    ),
    batchSize,
  });
  const { epochs } = await trainer.fit(train, { steps, validation: test, callbacks });
  const accuracy = epochs.map(({ epoch, val }) => [epoch, val.accuracy]);
  return {
    text: `Test accuracy ${(100 * accuracy.at(-1)[1]).toFixed(2)} % after ${steps} steps`,
    svg: report.lineChart({
      title: "ResNet-20 on CIFAR-10",
      xLabel: "epoch",
      yLabel: "test accuracy",
      series: [{ name: "test", points: accuracy }],
    }),
  };
}

await run(import.meta, main, () => datasets.cifar10());
