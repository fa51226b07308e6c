/**
 * Looks into a trainer's model with samples of the page: the answer and what lies on the way to it, on the weights as
 * they are at that moment, also in the middle of training. Follows the trainer to another device when one is lost.
 */
import { type Backend, data, input, nn, ops, type Program, type Tensor, type Trainer } from "../src/index.ts";

/** Something on the way to the answer, to be shown. */
interface Stage {
  readonly title: string;
  readonly tensor: Tensor;
}

interface Compiled {
  readonly backend: Backend;
  readonly program: Promise<Program>;
}

export class Probe {
  readonly #x: Tensor;
  readonly #probabilities: Tensor;
  readonly stages: readonly Stage[];
  #compiled: Compiled | undefined;

  /** `shape` of one sample; `stages`: whether to look at what lies on the way. */
  constructor(
    readonly trainer: Trainer,
    readonly shape: readonly number[],
    readonly batch: number,
    stages = false,
  ) {
    this.#x = input([batch, ...shape], "f32", "probe");
    const { model } = trainer.options;
    const found: Stage[] = [];
    const logits = stages ? stagesOf(model, this.#x, found) : nn.forward(model, this.#x);
    this.stages = found;
    this.#probabilities = ops.softmax(logits);
  }

  /** Runs on `samples`, `batch` of them one after the other. Stages come after the probabilities. */
  async run(samples: Float32Array): Promise<readonly [Float32Array, ...Float32Array[]]> {
    const { backend } = this.trainer;
    if (this.#compiled?.backend !== backend) {
      const outputs = [this.#probabilities, ...this.stages.map(({ tensor }) => tensor)];
      const compiled = { backend, program: this.trainer.compile({ outputs }) };
      this.#compiled = compiled;
      // What failed may be tried again.
      compiled.program.catch(() => {
        if (this.#compiled === compiled) this.#compiled = undefined;
      });
    }
    const program = await this.#compiled.program;
    // Nothing else may come between these: another call would overwrite the input or the outputs.
    backend.write(this.#x, samples);
    program.run();
    const [probabilities, ...maps] = await Promise.all([
      program.read(this.#probabilities),
      ...this.stages.map(({ tensor }) => program.read(tensor)),
    ]);
    return [probabilities as Float32Array, ...(maps as Float32Array[])];
  }

  /** Probabilities for a whole set, [count, classes]. */
  async runAll(set: data.Dataset): Promise<Float32Array> {
    const size = this.shape.reduce((product, extent) => product * extent, 1);
    const classes = set.classes ?? 1;
    const all = new Float32Array(set.count * classes);
    const samples = new Float32Array(this.batch * size);
    for (let from = 0; from < set.count; from += this.batch) {
      const count = Math.min(this.batch, set.count - from);
      for (let i = 0; i < count; i++) samples.set(data.readSample(set, from + i), i * size);
      const [probabilities] = await this.run(samples);
      all.set(probabilities.subarray(0, count * classes), from * classes);
    }
    return all;
  }
}

/** Goes through the layers of a sequence and notes pictures on the way: what is behind each activation and pooling. */
function stagesOf(model: nn.Layer, x: Tensor, found: Stage[]): Tensor {
  const layers = model instanceof nn.Sequential ? model.layers : [model];
  let block = 0;
  return layers.reduce<Tensor>((value, layer) => {
    const result = nn.forward(layer, value);
    if (layer instanceof nn.Conv2d) block++;
    else if (result.rank === 4) {
      const pooled = (result.shape[2] as number) < (value.shape[2] as number);
      found.push({ title: `Block ${block}, ${pooled ? "pooled" : "activations"}`, tensor: result });
    }
    return result;
  }, x);
}
