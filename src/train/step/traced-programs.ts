/** The programs of a trainer that traces its model: one to train and one to evaluate per data set, compiled when first used. */

import type { Dataset } from "../../data/dataset.ts";
import { expectAligned } from "../../data/prepare/align.ts";
import { isSharded, sampleBytes, shardsOf, type TrainingData } from "../../data/sharded.ts";
import { Graph, type GraphSpec } from "../../graph/graph.ts";
import { state, type Tensor } from "../../graph/tensor.ts";
import type { Program, TuneOptions } from "../../runtime/backend.ts";
import { type DeviceDataset, ResidentDataset } from "../input/device-dataset.ts";
import { evaluationBatch, type TrainerOptions } from "../loop/options.ts";
import type { DeviceStates } from "../state/device-states.ts";
import type { EvaluationProgram, ProgramSource, StepProgram, TrainProgram } from "./program-source.ts";
import { evaluationStep, type StepGraph, type TrainStates, trainingStep } from "./step-graph.ts";

interface TracedEvaluation {
  readonly graph: StepGraph;
  readonly data: DeviceDataset;
  readonly step: Tensor;
}

/** A compiled program, unless it was garbage collected. */
interface Compiled {
  readonly program: WeakRef<Program>;
  readonly leaves: readonly WeakRef<Tensor>[];
}

export class TracedPrograms implements ProgramSource {
  // Weak: programs and device memory of a data set are freed when it is garbage collected.
  #training = new WeakMap<TrainingData, TrainProgram>();
  #evaluations = new WeakMap<TrainingData, EvaluationProgram>();
  #traced = new WeakMap<TrainingData, TracedEvaluation>();
  readonly #resident = new WeakMap<Dataset, ResidentDataset>();
  #compiled: Compiled[] = [];
  /** Names of classes and columns of the data set that was trained on last. */
  #trained: Parameters<typeof expectAligned>[1] | undefined;

  constructor(
    readonly options: TrainerOptions,
    readonly values: DeviceStates,
    readonly states: TrainStates,
  ) {}

  async training(dataset: TrainingData, validation?: TrainingData): Promise<TrainProgram> {
    // Checked now, so that a validation set that does not fit is not found out after an epoch.
    if (validation !== undefined) {
      expectAligned(validation, dataset);
      await this.#trace(validation);
    }
    // A copy: the data set itself may be garbage collected.
    const { name, split, classNames, columns } = dataset;
    this.#trained = { name, split, classNames, columns };
    const known = this.#training.get(dataset);
    if (known !== undefined) return known;
    const { batchSize, shuffle = true, tune, detectAnomaly, variants = {} } = this.options;
    const { step, key } = this.states;
    const data = await this.#dataFor(dataset, batchSize);
    const batch = data.batch(step, shuffle ? key : undefined);
    const graph = trainingStep(this.options, { ...batch, dataset }, this.states);
    const { backend } = this.values;
    let program: TrainProgram = await this.#compile(graph, data, shuffle, tune);
    // The device was lost and replaced while the program was compiled.
    if (this.values.backend !== backend) return this.training(dataset);
    if (detectAnomaly) {
      const { anomalyDetector } = await import("../metrics/anomaly.ts");
      program = { ...program, inspect: await anomalyDetector(backend, graph.spec, variants) };
    }
    this.#training.set(dataset, program);
    return program;
  }

  async evaluation(dataset: TrainingData): Promise<EvaluationProgram> {
    if (this.#trained !== undefined) expectAligned(dataset, this.#trained);
    const known = this.#evaluations.get(dataset);
    if (known !== undefined) return known;
    const { backend } = this.values;
    const { graph, data, step } = await this.#trace(dataset);
    const program = { ...(await this.#compile(graph, data, false)), step };
    if (this.values.backend !== backend) return this.evaluation(dataset);
    this.#evaluations.set(dataset, program);
    return program;
  }

  async #trace(dataset: TrainingData): Promise<TracedEvaluation> {
    const known = this.#traced.get(dataset);
    if (known !== undefined) return known;
    const data = await this.#dataFor(dataset, evaluationBatch(this.options, dataset.count));
    const step = state([1], 0, "u32", "evaluation step");
    const batch = { ...data.batch(step, undefined), dataset };
    const traced = { graph: evaluationStep(this.options, batch, step, this.states), data, step };
    this.#traced.set(dataset, traced);
    return traced;
  }

  async compile(spec: GraphSpec, tune: boolean | TuneOptions = false): Promise<Program> {
    const { variants = {}, seed = 0, onCompile: onProgress } = this.options;
    const program = await this.values.backend.compile(spec, { variants, seed, tune, onProgress });
    const leaves = new Graph(spec).leaves().map((leaf) => new WeakRef(leaf));
    this.#compiled = this.#compiled.filter((one) => one.program.deref() !== undefined);
    this.#compiled.push({ program: new WeakRef(program), leaves });
    return program;
  }

  destroy(): void {
    for (const { program } of this.#compiled) program.deref()?.destroy();
    this.values.release(this.#compiled.flatMap(({ leaves }) => leaves.flatMap((leaf) => leaf.deref() ?? [])));
    this.clear();
  }

  clear(): void {
    this.#training = new WeakMap();
    this.#evaluations = new WeakMap();
    this.#traced = new WeakMap();
    this.#compiled = [];
  }

  async #compile(
    { spec, ring, layout }: StepGraph,
    data: DeviceDataset,
    shuffle: boolean,
    tune: boolean | TuneOptions = false,
  ): Promise<StepProgram> {
    const { backend } = this.values;
    const prepare = () => data.upload?.(backend);
    const options = tune === false ? false : { ...(tune === true ? {} : tune), prepare };
    const program = await this.compile(spec, options);
    await data.upload?.(backend);
    const readKey = async () => {
      const { key } = this.states;
      const [k0 = 0, k1 = 0] = (await this.values.readAll([key])).get(key) ?? [];
      return [k0, k1] as const;
    };
    const loader = data.loader?.(backend, shuffle ? readKey : undefined);
    const { stepsPerEpoch } = data;
    return { program, ring, layout, stepsPerEpoch, ...(loader && { loader }) };
  }

  /** The whole data set on the device if it fits, else two shards of it. */
  async #dataFor(dataset: TrainingData, batchSize: number): Promise<DeviceDataset> {
    const { maxTensorBytes } = this.values.backend;
    const { maxResidentBytes = Number.POSITIVE_INFINITY, loss } = this.options;
    const bytes = sampleBytes(dataset).map((each) => each * dataset.count);
    const fits = bytes.every((b) => b <= maxTensorBytes) && bytes.reduce((a, b) => a + b) <= maxResidentBytes;
    if (fits && !isSharded(dataset)) {
      const resident = this.#resident.get(dataset) ?? new ResidentDataset(dataset, loss.ignoreIndex);
      this.#resident.set(dataset, resident);
      return resident.batches(batchSize);
    }
    const { STREAMED_BYTES, StreamedDataset } = await import("../input/shard-loader.ts");
    const source = isSharded(dataset) ? dataset : shardsOf(dataset);
    const maxBytes = Math.min(maxResidentBytes, STREAMED_BYTES);
    return new StreamedDataset(source, batchSize, maxBytes, maxTensorBytes, undefined, loss.ignoreIndex);
  }
}
