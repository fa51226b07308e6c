/**
 * Compiles a training run ahead of time: traces and plans it as `Trainer` does, for an adapter that only writes down
 * what it is asked, and keeps that as a `Recording`. Contents of data sets play no part, only what they look like.
 */
import type { Program } from "../backend.ts";
import { checkForm, type Dataset, sampleSize } from "../data/dataset.ts";
import { holdsBytes } from "../data/on-demand.ts";
import { GraphError, ValueError } from "../errors.ts";
import { GpuBackend } from "../gpu/backend.ts";
import { checkOptions } from "../options.ts";
import { initialData } from "../plan/initial.ts";
import { type DType, input, type Shape, type Tensor } from "../tensor.ts";
import type { TrainerOptions } from "../train/options.ts";
import { predictionOf } from "../train/predict.ts";
import type { StepProgram } from "../train/run-programs.ts";
import { KEY, LEARNING_RATE, type RunStates } from "../train/run-states.ts";
import { Trainer } from "../train/trainer.ts";
import { PORTABLE, Recorder, type RecordTarget } from "./recorder.ts";
import {
  FORMAT,
  type NamedTensor,
  type RecordedDispatch,
  type RecordedProgram,
  type RecordedStates,
  type RecordedSteps,
  type RecordedTensor,
  type RecordedWeight,
  type Recording,
} from "./recording.ts";
import { packed, squeezed } from "./squeeze.ts";
import { PREDICT } from "./trainer.ts";

/** A graph over the run's states, its inputs and outputs by name. */
export interface GraphProgram {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export interface RecordOptions {
  /** What it is trained on: shapes, types, scale and classes count, contents and their number don't. In memory. */
  readonly train: Dataset;
  /** Also records the evaluation of such a data set. */
  readonly test?: Dataset | undefined;
  /** Also records the model's answers for so many samples at a time. */
  readonly predict?: number | undefined;
  /** Also records these, which `run` of the recorded trainer runs. */
  readonly programs?: Readonly<Record<string, GraphProgram>>;
  /** What kernels are chosen for. Default: any adapter, within WebGPU's guaranteed limits. */
  readonly target?: RecordTarget;
}

/**
 * The run that `options` describe. Throws ValueError on what only the library itself can do while training (`metrics`
 * of its own, `detectAnomaly`, `tune`, data in shards), and whatever tracing and planning throw.
 */
export async function recordTraining(options: TrainerOptions, what: RecordOptions): Promise<Recording> {
  for (const name of ["metrics", "detectAnomaly", "tune", "maxResidentBytes"] as const) {
    if (options[name]) throw new ValueError(`record: a recording can't have ${name}`);
  }
  const kinds = { train: "any", test: "any", predict: "number", programs: "object", target: "any" } as const;
  checkOptions("recordTraining", what, kinds);
  checkForm("recordTraining: train", what.train);
  if (what.test !== undefined) checkForm("recordTraining: test", what.test);
  const { seed = 0, batchSize } = options;
  const recorder = new Recorder(what.target ?? PORTABLE);
  const backend = await GpuBackend.open(recorder.adapter, { standIns: false });
  const trainer = await Trainer.create(backend, options);
  const run = new Recorded(recorder, backend);
  const { step } = trainer.states;
  const train = await run.steps(what.train, "train", async (dataset) => ({
    ...(await trainer.trainProgram(dataset)),
    step,
  }));
  const test =
    what.test && (await run.steps(what.test, "test", (dataset) => trainer.evaluationProgram(dataset)));
  const programs: Record<string, RecordedProgram> = {};
  for (const [name, program] of Object.entries({ ...predicting(options, what), ...what.programs })) {
    programs[name] = await run.program(trainer, program);
  }
  const states = await run.states(trainer.states, seed);
  const made = {
    weftRecording: FORMAT,
    seed,
    batchSize,
    states,
    train,
    ...(test && { test }),
    programs,
  } as const;
  return squeezed(made, recorder, [...states.parameters, states.key, states.step]);
}

function predicting(
  options: TrainerOptions,
  { predict, train }: RecordOptions,
): Record<string, GraphProgram> {
  if (predict === undefined) return {};
  const samples = input([predict, ...train.inputs.shape], "f32", "samples");
  return { [PREDICT]: { inputs: { samples }, outputs: { prediction: predictionOf(options, samples) } } };
}

/** What programs become, with the places of their tensors. */
class Recorded {
  constructor(
    readonly recorder: Recorder,
    readonly backend: GpuBackend,
  ) {}

  /** Where an input or a state is: a reading begins there. */
  async tensor(tensor: Tensor): Promise<RecordedTensor> {
    await this.backend.read(tensor);
    return this.#copied(tensor);
  }

  async states(
    { parameters, buffers, packed, step, live }: RunStates,
    seed: number,
  ): Promise<RecordedStates> {
    const named = async (tensors: ReadonlyMap<string, Tensor>) => {
      const found: NamedTensor[] = [];
      for (const [name, tensor] of tensors) found.push({ name, ...(await this.tensor(tensor)) });
      return found;
    };
    const places = await named(parameters);
    return {
      parameters: [...parameters.values()].map((tensor, i) => ({
        ...(places[i] as NamedTensor),
        initial: initialOf(tensor, seed, i),
      })),
      buffers: await named(buffers),
      packed: await named(packed),
      step: await this.tensor(step),
      key: await this.tensor(live.get(KEY) as Tensor),
      learningRate: await this.tensor(live.get(LEARNING_RATE) as Tensor),
    };
  }

  async steps(
    dataset: Dataset,
    split: string,
    make: (dataset: Dataset) => Promise<StepProgram & { readonly step: Tensor }>,
  ): Promise<RecordedSteps> {
    // Its buffers are found by this name.
    const named = { ...dataset, name: "recorded", split };
    const { program, ring, layout, step, feed } = await make(named);
    if (feed !== undefined) {
      throw new ValueError(
        `record: the ${split} set is more than the adapter takes at once; record with fewer samples, a recording takes any number`,
      );
    }
    const { inputs, labels, count } = dataset;
    const { shape, scale = 1, offset = 0 } = inputs;
    const title = `recorded/${split}`;
    return {
      dispatches: this.#dispatches(program),
      shape,
      labelSize: labels.length / count,
      scale,
      offset,
      inputs: this.#labelled(
        `${title} inputs`,
        [count * sampleSize(shape)],
        holdsBytes(inputs) ? "u32" : "f32",
      ),
      labels: this.#labelled(
        `${title} labels`,
        [labels.length],
        labels instanceof Int32Array ? "i32" : "f32",
      ),
      step: await this.tensor(step),
      ring: await this.tensor(ring),
      columns: layout.columns,
      sums: layout.sums,
    };
  }

  async program(trainer: Trainer, { inputs, outputs }: GraphProgram): Promise<RecordedProgram> {
    const program = await trainer.compile({ outputs: Object.values(outputs) });
    const from: NamedTensor[] = [];
    const to: NamedTensor[] = [];
    for (const [name, tensor] of Object.entries(inputs)) from.push({ name, ...(await this.tensor(tensor)) });
    for (const [name, tensor] of Object.entries(outputs)) {
      await program.read(tensor);
      to.push({ name, ...this.#copied(tensor) });
    }
    return { dispatches: this.#dispatches(program), inputs: from, outputs: to };
  }

  /** The place that the latest reading was of. */
  #copied({ shape, dtype }: Tensor): RecordedTensor {
    return { ...this.recorder.copied, shape, dtype };
  }

  #dispatches(program: Program): readonly RecordedDispatch[] {
    program.run();
    return this.recorder.submitted;
  }

  #labelled(label: string, shape: Shape, dtype: DType): RecordedTensor {
    const found = this.recorder.buffers.find((buffer) => buffer.label === label);
    if (found === undefined) throw new GraphError(`record: nothing reads the ${label}`);
    return { buffer: found.index, offset: 0, shape, dtype };
  }
}

/** How a weight starts: its distribution if it is drawn number by number, else its values for this seed. */
function initialOf(tensor: Tensor, seed: number, stream: number): RecordedWeight["initial"] {
  const initial = tensor.leaf?.kind === "state" ? tensor.leaf.initial : 0;
  if (typeof initial === "function" && initial.distribution !== undefined) return initial.distribution;
  const data = initialData(tensor, seed, stream);
  return packed(data instanceof Float64Array ? Float32Array.from(data) : data);
}
