/**
 * k-fold cross-validation over a table: ten small networks predict Boston's house prices, each without a tenth of the rows,
 * on which it is then measured. Columns are standardised with the means of each training part.   node examples/k-fold.js
 */
import { data, nn, optim, predict, report, Trainer } from "weft";
import { datasets } from "weft/node";
import { run } from "./support/run.js";

export const network = (columns) => nn.sequential(nn.linear(columns, 32), nn.relu(), nn.linear(32, 1));

export async function main({ device, callbacks, table, folds = 10, epochs = 60 }) {
  const points = [];
  const errors = [];
  for (const { train, validation } of data.kFold(table, folds, 1)) {
    const columns = data.fitStandardizer(train);
    const trainer = await Trainer.create(device, {
      model: network(table.inputs.shape[0]),
      loss: nn.mse(),
      optimizer: optim.adam({ learningRate: 1e-2, weightDecay: 1e-3 }),
      batchSize: 32,
      seed: 1,
    });
    await trainer.fit(columns.apply(train), { epochs, callbacks });
    // Every row is predicted by the one network that has not seen it.
    const { values } = await predict(trainer, columns.apply(validation));
    const fold = [...values].map((guess, i) => [validation.labels[i], guess]);
    errors.push(fold.reduce((sum, [truth, guess]) => sum + (truth - guess) ** 2, 0) / fold.length);
    points.push(...fold);
    await trainer.destroy();
  }
  const mean = errors.reduce((a, b) => a + b) / folds;
  const deviation = Math.sqrt(errors.reduce((sum, e) => sum + (e - mean) ** 2, 0) / (folds - 1));
  return {
    text: `Mean squared error ${mean.toFixed(1)} +- ${deviation.toFixed(1)} over ${folds} folds`,
    svg: report.scatterPlot({
      title: "House prices, each predicted by a network that has not seen it",
      xLabel: "true price in $1000s",
      yLabel: "predicted",
      series: [{ name: "rows", points }],
      diagonal: true,
    }),
  };
}

await run(import.meta, main, async () => ({ table: await datasets.boston() }));
