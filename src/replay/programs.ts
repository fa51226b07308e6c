/** A recording's programs as the trainer runs them: it brings data that fit to where the recording has them. */
import { type Dataset, packBytes, titleOf, validateDataset } from "../data/dataset.ts";
import { isSharded, type TrainingData } from "../data/sharded.ts";
import { DataError, GraphError } from "../errors.ts";
import { countConstants, stepsPerEpoch } from "../ops/gather-counts.ts";
import { formatShape, sameShape } from "../tensor.ts";
import type { EvaluationProgram, RunPrograms, StepProgram, TrainProgram } from "../train/run-programs.ts";
import type { StateValues } from "../train/state-values.ts";
import { type Handles, type RecordedBackend, RecordedRun } from "./backend.ts";
import type { RecordedDispatch, RecordedSteps, Recording } from "./recording.ts";

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

  training(dataset: TrainingData): Promise<TrainProgram> {
    return this.#steps("train", this.recording.train, dataset);
  }

  async evaluation(dataset: TrainingData): Promise<EvaluationProgram> {
    const { test } = this.recording;
    if (test === undefined) throw new GraphError("recording: has no test; record it with a test set");
    const program = await this.#steps("test", test, dataset);
    return { ...program, step: this.handles.of(test.step, "evaluation step") };
  }

  compile() {
    return this.backend.compile();
  }

  clear(): void {
    this.#uploaded.clear();
  }

  async #steps(part: string, steps: RecordedSteps, given: TrainingData): Promise<StepProgram> {
    const { handles, backend } = this;
    const { dispatches, ring, columns, sums } = steps;
    const gather = gatheringPipeline(steps);
    const batchSize = this.recording.pipelines[gather]?.constants.B as number;
    if (this.#uploaded.get(steps) !== given) {
      const dataset = fitting(part, steps, given);
      await this.#upload(steps, dataset);
      await backend.machine.specialise(dispatches, gather, countConstants(dataset.count, batchSize));
      this.#uploaded.set(steps, dataset);
    }
    await backend.machine.prepare(dispatches);
    return {
      program: new RecordedRun(backend, dispatches),
      ring: handles.of(ring, `${part} ring`),
      layout: { columns, sums, metrics: [] },
      stepsPerEpoch: stepsPerEpoch(given.count, batchSize),
    };
  }

  async #upload(steps: RecordedSteps, { inputs, labels }: Dataset): Promise<void> {
    const { machine } = this.backend;
    const words = inputs.data instanceof Uint8Array ? packBytes(inputs.data) : inputs.data;
    for (const [place, data] of [
      [steps.inputs, words],
      [steps.labels, labels],
    ] as const) {
      await machine.resize(place.buffer, data.byteLength);
      machine.write(place, data);
    }
  }
}

/** Of the dispatch that forms batches: the only one that reads the data. */
function gatheringPipeline({ dispatches, inputs }: RecordedSteps): number {
  const reads = ([, , bindings]: RecordedDispatch) => bindings.some(([, buffer]) => buffer === inputs.buffer);
  return (dispatches.find(reads) as RecordedDispatch)[0];
}

/** `given`, if it looks like what was recorded. Throws DataError saying what does not. */
function fitting(part: string, steps: RecordedSteps, given: TrainingData): Dataset {
  const fail = (expected: string, got: string): never => {
    throw new DataError(`${titleOf(given)}: the recording's ${part} set has ${expected}, this one ${got}`);
  };
  if (isSharded(given)) return fail("its samples in memory", "is in shards");
  const { count, inputs, labels } = validateDataset(given);
  const { scale = 1, offset = 0 } = inputs;
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
  const each = labels.length / count;
  if (each !== steps.labelSize) fail(`${steps.labelSize} values to a label`, `${each}`);
  if (scale !== steps.scale || offset !== steps.offset) {
    fail(`scale ${steps.scale} and offset ${steps.offset}`, `${scale} and ${offset}`);
  }
  return given;
}
