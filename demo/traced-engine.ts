/** Runs with any settings, whose programs are traced and compiled in the page, on the GPU or the CPU reference. Loaded on demand. */
import { openDevice } from "../src/browser/index.ts";
import { type Backend, type CompileProgress, nn, optim, type Program, Trainer } from "../src/index.ts";
import type { Engine } from "./engine.ts";
import { networks } from "./networks.ts";
import { MANY, type Probe } from "./probe.ts";
import { type ProbeGraph, probeGraph } from "./probe-graph.ts";
import type { Settings } from "./settings.ts";

export { openDevice };

/** `shape` of one sample. */
export async function tracedEngine(
  settings: Settings,
  shape: readonly number[],
  onCompile: (progress: CompileProgress) => void,
): Promise<Engine> {
  const { recipe, batch, seed, conv, device } = settings;
  const model = (networks[recipe] as () => nn.Layer)();
  const backend = await openDevice({ backend: device });
  const kinds = { conv2d: conv, conv2dBackwardInput: conv, conv2dBackwardWeight: conv };
  const trainer = await Trainer.create(backend, {
    model,
    loss: nn.crossEntropy(),
    optimizer: optimizerFor(settings),
    batchSize: batch,
    seed,
    onCompile,
    variants: conv === "auto" ? {} : kinds,
    // Where steps take long, one per submit: a drawing then waits for one step only.
    ...(backend.software ? { stepsPerSubmit: 1 } : {}),
  });
  return {
    trainer,
    probes: {
      one: new TracedProbe(trainer, probeGraph(model, shape, 1)),
      inside: new TracedProbe(trainer, probeGraph(model, shape, 1, true)),
      many: new TracedProbe(trainer, probeGraph(model, shape, MANY)),
    },
  };
}

function optimizerFor({ optimizer, rate: learningRate }: Settings): optim.Optimizer {
  if (optimizer === "adam") return optim.adam({ learningRate });
  if (optimizer === "adamw") return optim.adamw({ learningRate });
  return optimizer === "sgd" ? optim.sgd({ learningRate, momentum: 0.9 }) : optim.rmsprop({ learningRate });
}

interface Compiled {
  readonly backend: Backend;
  readonly program: Promise<Program>;
}

/** Compiles again on the trainer's new device after the old one was lost. */
class TracedProbe implements Probe {
  #compiled: Compiled | undefined;

  constructor(
    readonly trainer: Trainer,
    readonly graph: ProbeGraph,
  ) {}

  get batch(): number {
    return this.graph.x.shape[0] as number;
  }

  get stages() {
    return [...this.graph.stages].map(([title, { shape }]) => ({ title, shape }));
  }

  async run(samples: Float32Array): Promise<readonly [Float32Array, ...Float32Array[]]> {
    const { backend } = this.trainer;
    const { x, probabilities, stages } = this.graph;
    if (this.#compiled?.backend !== backend) {
      const outputs = [probabilities, ...stages.values()];
      const compiled = { backend, program: this.trainer.compile({ outputs }) };
      this.#compiled = compiled;
      // A failed compilation may be tried again.
      compiled.program.catch(() => {
        if (this.#compiled === compiled) this.#compiled = undefined;
      });
    }
    const program = await this.#compiled.program;
    // No `await` between these: another call would overwrite the input or the outputs.
    backend.write(x, samples);
    program.run();
    const [answer, ...maps] = await Promise.all([
      program.read(probabilities),
      ...[...stages.values()].map((tensor) => program.read(tensor)),
    ]);
    return [answer as Float32Array, ...(maps as Float32Array[])];
  }
}
