/** What a trainer's model says of every sample of a data set, in their order. */
import { type Dataset, readSample, sampleSize } from "../data/dataset.ts";
import { forward } from "../nn/module.ts";
import { input } from "../tensor.ts";
import type { Trainer } from "../train/trainer.ts";

const BATCH = 100;

/** The outputs of all samples one after another. The data goes to the device batch by batch, as this is done rarely. */
export async function predictions(trainer: Trainer, dataset: Dataset): Promise<Float32Array> {
  const { shape } = dataset.inputs;
  const size = sampleSize(shape);
  const x = input([BATCH, ...shape], "f32", "samples");
  const output = forward(trainer.options.model, x);
  const program = await trainer.compile({ outputs: [output], updates: [] });
  const each = output.size / BATCH;
  const all = new Float32Array(dataset.count * each);
  const batch = new Float32Array(BATCH * size);
  for (let first = 0; first < dataset.count; first += BATCH) {
    const count = Math.min(BATCH, dataset.count - first);
    for (let i = 0; i < count; i++) batch.set(readSample(dataset, first + i), i * size);
    trainer.backend.write(x, batch);
    program.run();
    const values = await program.read(output);
    all.set(values.subarray(0, count * each), first * each);
  }
  return all;
}
