/**
 * Transfer learning: a network learns the digits 0 to 4; its trunk, frozen, then serves a new head for 5 to 9, with few
 * samples; at last everything is trained at a low rate.   node examples/transfer.js
 */
import { data, nn, optim, report, Trainer } from "weft";
import { datasets } from "weft/node";
import { run } from "./support/run.js";

export const makeTrunk = () =>
  nn.sequential(
    nn.conv2d(1, 8, 3, { padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.conv2d(8, 16, 3, { padding: 1 }),
    nn.relu(),
    nn.maxPool2d(2),
    nn.flatten(),
    nn.linear(16 * 7 * 7, 64),
    nn.relu(),
  );

/** Samples of five digits from `first` on, with classes 0 to 4. */
function fiveDigits(set, first, most) {
  const wanted = [...set.labels.keys()].filter((i) => set.labels[i] >= first && set.labels[i] < first + 5);
  const part = data.take(set, wanted.slice(0, most));
  const classNames = ["0", "1", "2", "3", "4"].map((name) => String(Number(name) + first));
  return { ...part, labels: part.labels.map((label) => label - first), classes: 5, classNames };
}

export async function main({ device, callbacks, train, test, epochs = 4, few = 200 }) {
  const held = fiveDigits(test, 5);
  const points = [];
  /** Trains `model` and notes the accuracy on held-out images after each epoch. */
  const fit = async (model, set, validation, learningRate) => {
    const trainer = await Trainer.create(device, {
      model,
      loss: nn.crossEntropy(),
      optimizer: optim.adam({ learningRate }),
      batchSize: 20,
      seed: 1,
    });
    const history = await trainer.fit(set, { epochs, validation, callbacks });
    await trainer.destroy();
    return history.epochs.map(({ val }) => val.accuracy);
  };

  const trunk = makeTrunk();
  await fit(nn.sequential(trunk, nn.linear(64, 5)), fiveDigits(train, 0, 10_000), fiveDigits(test, 0), 1e-3);
  const model = nn.sequential(trunk, nn.linear(64, 5));
  const small = fiveDigits(train, 5, few);
  // A trainer finds the parameters that are not frozen when it is made; a later one goes on from the weights on the device.
  nn.freeze(trunk);
  points.push(...(await fit(model, small, held, 3e-3)));
  const frozen = points.at(-1);
  nn.unfreeze(trunk);
  points.push(...(await fit(model, small, held, 2e-4)));
  const alone = await fit(nn.sequential(makeTrunk(), nn.linear(64, 5)), small, held, 1e-3);
  const percent = (accuracy) => `${(100 * accuracy).toFixed(1)} %`;
  return {
    text: `Head ${percent(frozen)}, unfrozen ${percent(points.at(-1))}, from scratch ${percent(alone.at(-1))} with ${few} images`,
    svg: report.lineChart({
      title: "Digits 5 to 9 from few images",
      xLabel: "epoch",
      yLabel: "test accuracy",
      series: [
        { name: "transferred", points: points.map((accuracy, i) => [i + 1, accuracy]) },
        { name: "from scratch", points: alone.map((accuracy, i) => [i + 1, accuracy]) },
      ],
    }),
  };
}

await run(import.meta, main, () => datasets.mnist());
