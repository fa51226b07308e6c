/** A recording's programs as the trainer runs them: it brings data that fit to where the recording has them. */
import { type Dataset, packBytes, titleOf, validateDataset } from "../data/dataset.ts";
import { isSharded, type TrainingData } from "../data/sharded.ts";
import { DataError, GraphError } from "../errors.ts";
import { formatShape, sameShape } from "../tensor.ts";
import type { EvaluationProgram, RunPrograms, StepProgram, TrainProgram } from "../train/run-programs.ts";
import type { StateValues } from "../train/state-values.ts";
import { type Handles, type RecordedBackend, RecordedRun } from "./backend.ts";
import type { RecordedSteps, Recording } from "./recording.ts";

export class RecordedPrograms implements RunPrograms {
  /** What lies in a part's buffers on the device in use. */
  readonly #uploaded = new Map<RecordedSteps, Dataset>();

  constructor(
    readonly recording: Recording,
    readonly handles: Handles,
    readonly values: StateValues,
  ) {}

  get backend(): RecordedBackend {
    return this.values.backend as RecordedBackend;
  }

  async training(dataset: TrainingData): Promise<TrainProgram> {
    return this.#steps("train", this.recording.train, dataset);
  }

  async evaluation(dataset: TrainingData): Promise<EvaluationProgram> {
    const { test } = this.recording;
    if (test === undefined) throw new GraphError("recording: has no test; record it with a test set");
    return { ...this.#steps("test", test, dataset), step: this.handles.of(test.step, "evaluation step") };
  }

  compile() {
    return this.backend.compile();
  }

  clear(): void {
    this.#uploaded.clear();
  }

  #steps(part: string, steps: RecordedSteps, given: TrainingData): StepProgram {
    const { handles, backend } = this;
    this.values.deliver();
    if (this.#uploaded.get(steps) !== given) {
      const { inputs, labels } = fitting(part, steps, given);
      const words = inputs.data instanceof Uint8Array ? packBytes(inputs.data) : inputs.data;
      backend.machine.write(steps.inputs, words);
      backend.machine.write(steps.labels, labels);
      this.#uploaded.set(steps, given as Dataset);
    }
    const { dispatches, ring, columns, sums, stepsPerEpoch } = steps;
    return {
      program: new RecordedRun(backend, dispatches),
      ring: handles.of(ring, `${part} ring`),
      layout: { columns, sums, metrics: [] },
      stepsPerEpoch,
    };
  }
}

/** `given`, if it looks like what was recorded. Throws DataError saying what does not. */
function fitting(part: string, steps: RecordedSteps, given: TrainingData): Dataset {
  const fail = (expected: string, got: string): never => {
    throw new DataError(`${titleOf(given)}: the recording's ${part} set has ${expected}, this one ${got}`);
  };
  if (isSharded(given)) return fail("its samples in memory", "is in shards");
  const { count, inputs, labels } = validateDataset(given);
  const { scale = 1, offset = 0 } = inputs;
  if (count !== steps.count) fail(`${steps.count} samples`, `${count}`);
  if (!sameShape(inputs.shape, steps.shape)) {
    fail(`samples of ${formatShape(steps.shape)}`, formatShape(inputs.shape));
  }
  const kinds = [
    steps.inputs.dtype === "u32" ? "bytes" : "floats",
    steps.labels.dtype === "i32" ? "classes" : "values",
  ];
  const own = [
    inputs.data instanceof Uint8Array ? "bytes" : "floats",
    labels instanceof Int32Array ? "classes" : "values",
  ];
  if (kinds.join() !== own.join()) fail(kinds.join(" and "), own.join(" and "));
  if (labels.length !== steps.labels.shape[0]) fail(`${steps.labels.shape[0]} labels`, `${labels.length}`);
  if (scale !== steps.scale || offset !== steps.offset) {
    fail(`scale ${steps.scale} and offset ${steps.offset}`, `${scale} and ${offset}`);
  }
  return given;
}
