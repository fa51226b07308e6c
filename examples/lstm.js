/**
 * An LSTM reads sequences of 5 to 40 symbols and names the one that follows the only marker: it has to keep it until the end.
 * Sequences are padded; the layer is told their lengths.   node examples/lstm.js
 */
import { data, nn, ops, optim, report, Trainer } from "weft";
import { run } from "./support/run.js";

const [SYMBOLS, LONGEST] = [8, 40];
const MARKER = SYMBOLS;

export class Reader {
  constructor(width = 32) {
    this.symbols = nn.embedding(SYMBOLS + 1, 16);
    this.memory = nn.lstm(16, width);
    this.answer = nn.linear(width, SYMBOLS);
  }

  /** tokens i32 [n, T] and lengths i32 [n] to logits [n, SYMBOLS]. */
  forward({ tokens, lengths }) {
    const { state } = this.memory.run(this.symbols.forward(tokens), { lengths });
    return this.answer.forward(ops.squeeze(state.h, 0));
  }
}

export function sequences(count, random = Math.random) {
  const whole = (most) => Math.floor(random() * most);
  const tokens = new Int32Array(count * LONGEST);
  const [lengths, labels] = [new Int32Array(count), new Int32Array(count)];
  for (let i = 0; i < count; i++) {
    const length = 5 + whole(LONGEST - 4);
    const row = tokens.subarray(i * LONGEST, i * LONGEST + length);
    for (let t = 0; t < length; t++) row[t] = whole(SYMBOLS);
    const at = whole(length - 1);
    row[at] = MARKER;
    lengths[i] = length;
    labels[i] = row[at + 1];
  }
  return data.fromColumns({
    tokens: { data: tokens, shape: [LONGEST] },
    lengths: { data: lengths, shape: [] },
    labels: { data: labels, shape: [] },
  });
}

export async function main({ device, callbacks, epochs = 15, count = 4096, random = Math.random }) {
  const model = new Reader();
  const trainer = await Trainer.create(device, {
    model,
    optimizer: optim.adam({ learningRate: 5e-3, clipNorm: 1 }),
    batchSize: 64,
    step({ tokens, lengths, labels, weights }) {
      const logits = model.forward({ tokens, lengths });
      const right = ops.cast(ops.eq(ops.argmax(logits, 1), labels), "f32");
      const accuracy = ops.div(ops.sum(ops.mul(right, weights)), ops.sum(weights));
      return { loss: ops.crossEntropy(logits, labels, weights).loss, metrics: { accuracy } };
    },
    seed: 1,
  });
  const validation = sequences(1024, random);
  const { epochs: records } = await trainer.fit(sequences(count, random), { epochs, validation, callbacks });
  const points = records.map(({ epoch, val }) => [epoch, val.accuracy]);
  return {
    text: `${(100 * points.at(-1)[1]).toFixed(1)} % of new sequences right`,
    svg: report.lineChart({
      title: "Which symbol followed the marker?",
      xLabel: "epoch",
      yLabel: "accuracy",
      series: [{ name: "new sequences", points }],
    }),
  };
}

await run(import.meta, main);
