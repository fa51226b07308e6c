/** The programs of a trainer, traced from its model: one to train and one to evaluate per data set, when first used. */

import type { Dataset } from "../../data/dataset.ts";
import { expectAligned } from "../../data/prepare/align.ts";
import { isSharded, sampleBytes, shardsOf, type TrainingData } from "../../data/sharded.ts";
import { Graph, type GraphSpec } from "../../graph/graph.ts";
import { state, type Tensor } from "../../graph/tensor.ts";
import type { Backend, Program, TuneOptions } from "../../runtime/backend.ts";
import { ResidentData } from "../input/device-dataset.ts";
import type { StreamedData } from "../input/shard-loader.ts";
import { evaluationBatch, type TrainerOptions } from "../loop/options.ts";
import type { StateValues } from "../state/state-values.ts";
import type { EvaluationProgram, RunPrograms, StepProgram, TrainProgram } from "./program-source.ts";
import { evaluationStep, type StepGraph, type TrainStates, trainingStep } from "./step-graph.ts";

/** A data set's part in a program. */
interface DeviceData extends Pick<StreamedData, "stepsPerEpoch" | "batch"> {
  upload?: (backend: Backend) => Promise<void>;
  feed?: StreamedData["feed"];
}

interface TracedEvaluation {
  readonly built: StepGraph;
  readonly data: DeviceData;
  readonly step: Tensor;
}

/** A program that was compiled, as long as it is not garbage. */
interface Made {
  readonly program: WeakRef<Program>;
  readonly leaves: readonly WeakRef<Tensor>[];
}

export class Programs implements RunPrograms {
  // When a data set is garbage collected, its program and its memory on the device are freed.
  #training = new WeakMap<TrainingData, TrainProgram>();
  #evaluations = new WeakMap<TrainingData, EvaluationProgram>();
  #traced = new WeakMap<TrainingData, TracedEvaluation>();
  readonly #resident = new WeakMap<Dataset, ResidentData>();
  #made: Made[] = [];
  /** Names of the classes and columns of the data set that was trained on last. */
  #trained: Parameters<typeof expectAligned>[1] | undefined;

  constructor(
    readonly options: TrainerOptions,
    readonly values: StateValues,
    readonly states: TrainStates,
  ) {}

  async training(dataset: TrainingData, validation?: TrainingData): Promise<TrainProgram> {
    // Not to be found out after an epoch.
    if (validation !== undefined) {
      expectAligned(validation, dataset);
      await this.#trace(validation);
    }
    // Not the data set itself, which may be garbage collected.
    const { name, split, classNames, columns } = dataset;
    this.#trained = { name, split, classNames, columns };
    const known = this.#training.get(dataset);
    if (known !== undefined) return known;
    const { batchSize, shuffle = true } = this.options;
    const { step, key } = this.states;
    const data = await this.#dataFor(dataset, batchSize);
    const batch = data.batch(step, shuffle ? key : undefined);
    const built = await trainingStep(this.options, { ...batch, dataset }, this.states);
    const { backend } = this.values;
    const program = await this.#compile(built, data, shuffle, this.options.tune);
    // Another device took the place of this one meanwhile.
    if (this.values.backend !== backend) return this.training(dataset);
    const ready = this.options.detectAnomaly ? { ...program, inspect: await this.#watch(built) } : program;
    this.#training.set(dataset, ready);
    return ready;
  }

  async #watch({ spec }: StepGraph): Promise<(step: number) => Promise<void>> {
    const { anomalyWatch } = await import("../metrics/anomaly.ts");
    return anomalyWatch(this.values.backend, spec, this.options.variants ?? {});
  }

  async evaluation(dataset: TrainingData): Promise<EvaluationProgram> {
    if (this.#trained !== undefined) expectAligned(dataset, this.#trained);
    const known = this.#evaluations.get(dataset);
    if (known !== undefined) return known;
    const { backend } = this.values;
    const { built, data, step } = await this.#trace(dataset);
    const ready = { ...(await this.#compile(built, data, false)), step };
    if (this.values.backend !== backend) return this.evaluation(dataset);
    this.#evaluations.set(dataset, ready);
    return ready;
  }

  async #trace(dataset: TrainingData): Promise<TracedEvaluation> {
    const known = this.#traced.get(dataset);
    if (known !== undefined) return known;
    const data = await this.#dataFor(dataset, evaluationBatch(this.options, dataset.count));
    const step = state([1], 0, "u32", "evaluation step");
    const batch = { ...data.batch(step, undefined), dataset };
    const traced = { built: await evaluationStep(this.options, batch, step, this.states), data, step };
    this.#traced.set(dataset, traced);
    return traced;
  }

  /** Compiles a graph over the run's states, which have their present values there. */
  async compile(spec: GraphSpec, tune: boolean | TuneOptions = false): Promise<Program> {
    const { variants = {}, seed = 0, onCompile: onProgress } = this.options;
    const program = await this.values.backend.compile(spec, { variants, seed, tune, onProgress });
    const leaves = new Graph(spec).leaves().map((leaf) => new WeakRef(leaf));
    this.#made = this.#made.filter((made) => made.program.deref() !== undefined);
    this.#made.push({ program: new WeakRef(program), leaves });
    return program;
  }

  destroy(): void {
    for (const { program } of this.#made) program.deref()?.destroy();
    const leaves = this.#made.flatMap(({ leaves }) => leaves.flatMap((ref) => ref.deref() ?? []));
    this.values.release(leaves);
    this.clear();
  }

  /** Forgets what was compiled, for another device. */
  clear(): void {
    this.#training = new WeakMap();
    this.#evaluations = new WeakMap();
    this.#traced = new WeakMap();
    this.#made = [];
  }

  async #compile(
    built: StepGraph,
    data: DeviceData,
    shuffle: boolean,
    tune: boolean | TuneOptions = false,
  ): Promise<StepProgram> {
    const { backend } = this.values;
    const prepare = () => data.upload?.(backend);
    const program = await this.compile(
      built.spec,
      tune === false ? false : { ...(tune === true ? {} : tune), prepare },
    );
    await data.upload?.(backend);
    const feed = data.feed?.(backend, shuffle ? () => this.#readKey() : undefined);
    const { ring, layout } = built;
    return {
      program,
      ring,
      layout,
      stepsPerEpoch: data.stepsPerEpoch,
      ...(feed === undefined ? {} : { feed }),
    };
  }

  async #readKey(): Promise<readonly [number, number]> {
    const { key } = this.states;
    const [k0 = 0, k1 = 0] = (await this.values.readAll([key])).get(key) ?? [];
    return [k0, k1];
  }

  /** All of the data on the device if they fit, else two shards of them. */
  async #dataFor(dataset: TrainingData, batchSize: number): Promise<DeviceData> {
    const { maxTensorBytes } = this.values.backend;
    const bytes = sampleBytes(dataset).map((each) => each * dataset.count);
    const { maxResidentBytes = Number.POSITIVE_INFINITY } = this.options;
    const fits = bytes.every((b) => b <= maxTensorBytes) && bytes.reduce((a, b) => a + b) <= maxResidentBytes;
    if (fits && !isSharded(dataset)) return this.#residentData(dataset).batches(batchSize);
    const { RESIDENT_BYTES, StreamedData } = await import("../input/shard-loader.ts");
    const most = Math.min(maxResidentBytes, RESIDENT_BYTES);
    return new StreamedData(
      isSharded(dataset) ? dataset : shardsOf(dataset),
      batchSize,
      most,
      maxTensorBytes,
      undefined,
      this.options.loss.ignoreIndex,
    );
  }

  #residentData(dataset: Dataset): ResidentData {
    const data = this.#resident.get(dataset) ?? new ResidentData(dataset, this.options.loss.ignoreIndex);
    this.#resident.set(dataset, data);
    return data;
  }
}
