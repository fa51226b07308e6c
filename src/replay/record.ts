/**
 * Compiles a training run ahead of time: traces and plans it as `Trainer` does, for an adapter that only writes down
 * what it is asked, and keeps that as a `Recording`. Contents of data sets play no part, only what they look like.
 */
import type { Program } from "../backend.ts";
import type { Dataset } from "../data/dataset.ts";
import { GraphError, ValueError } from "../errors.ts";
import { GpuBackend } from "../gpu/backend.ts";
import { initialData } from "../plan/initial.ts";
import { type DType, input, type Shape, type Tensor } from "../tensor.ts";
import type { TrainerOptions } from "../train/options.ts";
import { predictionOf } from "../train/predict.ts";
import type { StepProgram } from "../train/run-programs.ts";
import { KEY, LEARNING_RATE } from "../train/run-states.ts";
import { Trainer } from "../train/trainer.ts";
import { PORTABLE, Recorder, type RecordTarget } from "./recorder.ts";
import {
  FORMAT,
  type RecordedDispatch,
  type RecordedPrediction,
  type RecordedSteps,
  type RecordedTensor,
  type RecordedWeight,
  type Recording,
} from "./recording.ts";
import { packed, squeezed } from "./squeeze.ts";

export interface RecordOptions {
  /** What it is trained on: count, shapes, types, scale and classes count, contents don't. In memory. */
  readonly train: Dataset;
  /** Also records the evaluation of such a data set. */
  readonly test?: Dataset | undefined;
  /** Also records the model's answers for so many samples at a time. */
  readonly predict?: number | undefined;
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
  const { seed = 0 } = options;
  const recorder = new Recorder(what.target ?? PORTABLE);
  const backend = await GpuBackend.open(recorder.adapter);
  const trainer = await Trainer.create(backend, options);
  const run = new Recorded(recorder, backend);
  const { parameters, buffers, step, live } = trainer.states;
  const train = await run.steps(what.train, "train", async (dataset) => ({
    ...(await trainer.trainProgram(dataset)),
    step,
  }));
  const test =
    what.test && (await run.steps(what.test, "test", (dataset) => trainer.evaluationProgram(dataset)));
  const predict = what.predict && (await run.prediction(trainer, what.train.inputs.shape, what.predict));
  const weights: RecordedWeight[] = [];
  for (const [name, tensor] of [...parameters, ...buffers]) {
    const initial = initialOf(tensor, seed, weights.length);
    weights.push({ name, ...(await run.tensor(tensor)), initial });
  }
  const made = {
    weftRecording: FORMAT,
    seed,
    weights,
    learningRate: await run.tensor(live.get(LEARNING_RATE) as Tensor),
    key: await run.tensor(live.get(KEY) as Tensor),
    train,
    ...(test && { test }),
    ...(predict && { predict }),
  } as const;
  const data = [train, ...(test ? [test] : [])].flatMap(({ inputs, labels }) => [inputs, labels]);
  return squeezed(made, recorder, [...weights, ...data, made.key, train.step]);
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
    return { ...this.recorder.copied, shape: tensor.shape, dtype: tensor.dtype };
  }

  dispatches(program: Program): readonly RecordedDispatch[] {
    program.run();
    return this.recorder.submitted;
  }

  async steps(
    { inputs, labels, ...dataset }: Dataset,
    split: string,
    make: (dataset: Dataset) => Promise<StepProgram & { readonly step: Tensor }>,
  ): Promise<RecordedSteps> {
    // Its buffers are found by this name.
    const title = `recorded/${split}`;
    const { program, ring, layout, stepsPerEpoch, step } = await make({
      ...dataset,
      inputs,
      labels,
      name: "recorded",
      split,
    });
    const bytes = inputs.data instanceof Uint8Array;
    return {
      dispatches: this.dispatches(program),
      count: dataset.count,
      stepsPerEpoch,
      inputs: {
        ...this.#labelled(`${title} inputs`, [dataset.count, ...inputs.shape], bytes ? "u32" : "f32"),
        bytes,
      },
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

  async prediction(trainer: Trainer, shape: Shape, count: number): Promise<RecordedPrediction> {
    const x = input([count, ...shape], "f32", "samples");
    const prediction = predictionOf(trainer.options, x);
    const program = await trainer.compile({ outputs: [prediction] });
    await program.read(prediction);
    const place = { ...this.recorder.copied, shape: prediction.shape, dtype: prediction.dtype };
    return { dispatches: this.dispatches(program), x: await this.tensor(x), prediction: place };
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
