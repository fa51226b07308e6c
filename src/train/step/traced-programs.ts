/** The programs of a trainer that traces its model: one to train and one to evaluate per data set, compiled when first used. */

import { hasColumns } from "../../data/columns.ts";
import { titleOf } from "../../data/dataset-checks.ts";
import { pairOf } from "../../data/inputs-and-labels.ts";
import { expectAligned } from "../../data/prepare/align.ts";
import { isSharded, type PairData, type TrainingData } from "../../data/sharded.ts";
import { Graph, type GraphSpec } from "../../graph/graph.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { IGNORED } from "../../ops/loss/class-targets.ts";
import type { Program, ProgramDescription, TuneOptions } from "../../runtime/backend.ts";
import type { DeviceDataset } from "../input/device-dataset.ts";
import { PlacedDatasets } from "../input/place-dataset.ts";
import { type BatchSamples, BatchTensors, describeColumns, formsOf } from "../input/user-batch.ts";
import { type AnyTrainerOptions, evaluationBatch } from "../loop/options.ts";
import type { DeviceStates } from "../state/device-states.ts";
import { compilePhases } from "./compile-phases.ts";
import type { DescribedRun } from "./describe-step.ts";
import type {
  EvaluationProgram,
  ProgramSource,
  SingleStep,
  StepProgram,
  TrainProgram,
} from "./program-source.ts";
import { evaluationStep, type StepGraph, trainingStep } from "./step-graph.ts";

interface TracedEvaluation extends ReturnType<typeof evaluationStep> {
  readonly data: DeviceDataset;
}

/** A compiled program, unless it was garbage collected. */
interface Compiled {
  readonly program: WeakRef<Program>;
  readonly leaves: readonly WeakRef<Tensor>[];
}

/** A training step on batches that users write. */
export interface BatchProgram extends SingleStep {
  readonly tensors: BatchTensors;
}

/** A program that a trainer has compiled. */
export interface CompiledProgram extends ProgramDescription {
  /** `step`: of batches given to `trainer.step`. */
  readonly use: "training" | "evaluation" | "step";
  /** The data set, or the columns of batches. */
  readonly of: string;
}

export class TracedPrograms implements ProgramSource {
  // Weak: programs and device memory of a data set are freed when it is garbage collected.
  #training = new WeakMap<TrainingData, TrainProgram>();
  #evaluations = new WeakMap<TrainingData, EvaluationProgram>();
  #traced = new WeakMap<TrainingData, TracedEvaluation>();
  readonly #placed = new PlacedDatasets();
  #compiled: Compiled[] = [];
  #batches = new Map<string, BatchProgram>();
  #listed: { use: CompiledProgram["use"]; of: string; program: WeakRef<Program> }[] = [];
  /** Names of classes and columns of the data set that was trained on last. */
  #trained: Parameters<typeof expectAligned>[1] | undefined;

  constructor(
    readonly options: AnyTrainerOptions,
    readonly values: DeviceStates,
    readonly run: DescribedRun,
  ) {}

  async training(given: TrainingData, validation?: TrainingData): Promise<TrainProgram> {
    const dataset = this.#seen("fit", given);
    // Checked now, so that a validation set that does not fit is not found out after an epoch.
    if (validation !== undefined) {
      const held = this.#seen("fit: validation", validation);
      if (!hasColumns(held) && !hasColumns(dataset)) expectAligned(held, dataset);
      await this.#trace(held);
    }
    // A copy: the data set itself may be garbage collected.
    this.#trained = hasColumns(dataset) ? undefined : namesOf(dataset);
    const known = this.#training.get(dataset);
    if (known !== undefined) return known;
    const { batchSize, shuffle = true, tune, detectAnomaly } = this.options;
    const { step, training } = this.run;
    const data = await this.#dataFor(dataset, batchSize);
    const batch = data.columns(training.step, shuffle ? training.key : undefined);
    const { graphs, last } = trainingStep(step, this.options, { ...batch, ...pairIn(dataset) }, training);
    const { backend } = this.values;
    let program: TrainProgram = await this.#compile(graphs, data, shuffle, last, tune);
    // The device was lost and replaced while the program was compiled.
    if (this.values.backend !== backend) return this.training(dataset);
    if (detectAnomaly) program = { ...program, inspect: await this.#inspector(graphs) };
    this.#training.set(dataset, program);
    this.#list("training", titleOf(dataset), program);
    return program;
  }

  /** The program of a training step on batches that users write, for samples of these forms. */
  async batches(capacity: number, samples: BatchSamples): Promise<BatchProgram> {
    const forms = formsOf(samples);
    const key = JSON.stringify([capacity, forms]);
    const known = this.#batches.get(key);
    if (known !== undefined) return known;
    const { backend } = this.values;
    const { step, training } = this.run;
    const tensors = new BatchTensors(capacity, forms);
    const { graphs, last } = trainingStep(step, this.options, tensors, training);
    const compiled = await compilePhases(backend, (spec) => this.compile(spec), graphs, last);
    if (this.values.backend !== backend) return this.batches(capacity, samples);
    const inspect = this.options.detectAnomaly ? await this.#inspector(graphs) : undefined;
    const program = { ...compiled, tensors, ...(inspect && { inspect }) };
    this.#batches.set(key, program);
    this.#list("step", describeColumns(tensors), program);
    return program;
  }

  /** What is compiled now, in the order in which it was. */
  describe(): CompiledProgram[] {
    return this.#listed.flatMap(({ use, of, program }) => {
      const compiled = program.deref();
      return compiled === undefined ? [] : [{ use, of, ...compiled.describe() }];
    });
  }

  #list(use: CompiledProgram["use"], of: string, { program }: SingleStep): void {
    this.#listed.push({ use, of, program: new WeakRef(program) });
  }

  /** Examines the graphs of the phases that run in a step, all with the values from before it. */
  async #inspector(graphs: readonly StepGraph[]): Promise<(step: number) => Promise<void>> {
    const { anomalyDetector } = await import("../metrics/anomaly.ts");
    const { variants = {} } = this.options;
    const phases: { every: number; inspect: (step: number) => Promise<void> }[] = [];
    for (const { spec, every } of graphs)
      phases.push({ every, inspect: await anomalyDetector(this.values.backend, spec, variants) });
    return async (at) => {
      for (const { every, inspect } of phases) if ((at + 1) % every === 0) await inspect(at);
    };
  }

  async evaluation(given: TrainingData): Promise<EvaluationProgram> {
    const dataset = this.#seen("evaluate", given);
    if (this.#trained !== undefined && !hasColumns(dataset)) expectAligned(dataset, this.#trained);
    const known = this.#evaluations.get(dataset);
    if (known !== undefined) return known;
    const { backend } = this.values;
    const { graphs, data, steps } = await this.#trace(dataset);
    const program = { ...(await this.#compile(graphs, data, false)), steps };
    if (this.values.backend !== backend) return this.evaluation(dataset);
    this.#evaluations.set(dataset, program);
    this.#list("evaluation", titleOf(dataset), program);
    return program;
  }

  async #trace(dataset: TrainingData): Promise<TracedEvaluation> {
    const known = this.#traced.get(dataset);
    if (known !== undefined) return known;
    const data = await this.#dataFor(dataset, evaluationBatch(this.options, mostPerBatch(dataset)));
    const { step, training } = this.run;
    const inputOf = (at: Tensor) => ({ ...data.columns(at, undefined), ...pairIn(dataset) });
    const traced = { ...evaluationStep(step, inputOf, training), data };
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
    this.#batches = new Map();
    this.#listed = [];
  }

  async #compile(
    graphs: readonly StepGraph[],
    data: DeviceDataset,
    shuffle: boolean,
    last?: GraphSpec,
    tune: boolean | TuneOptions = false,
  ): Promise<StepProgram> {
    const { backend } = this.values;
    const prepare = () => data.upload?.(backend);
    const options = tune === false ? false : { ...(tune === true ? {} : tune), prepare };
    const compile = (spec: GraphSpec) => this.compile(spec, options);
    const program = await compilePhases(backend, compile, graphs, last);
    await data.upload?.(backend);
    const readKey = async () => {
      const { key } = this.run.training;
      const [k0 = 0, k1 = 0] = (await this.values.readAll([key])).get(key) ?? [];
      return [k0, k1] as const;
    };
    const loader = data.loader?.(backend, shuffle ? readKey : undefined);
    const { stepsPerEpoch } = data;
    return { ...program, stepsPerEpoch, ...(loader && { loader }) };
  }

  /** A model with a loss takes inputs and labels, a step function any columns. */
  #seen(who: string, dataset: TrainingData): TrainingData {
    return "loss" in this.options ? pairOf(who, dataset) : dataset;
  }

  #dataFor(dataset: TrainingData, batchSize: number): Promise<DeviceDataset> {
    const { maxTensorBytes } = this.values.backend;
    const { maxResidentBytes } = this.options;
    const ignored = "loss" in this.options ? this.options.loss.ignoreIndex : IGNORED;
    return this.#placed.place(dataset, batchSize, { maxTensorBytes, maxResidentBytes }, ignored);
  }
}

/** Most samples of a batch: all, or those of half a stream's buffer, in fours so that bytes are whole words. */
function mostPerBatch(dataset: TrainingData): number {
  const { capacity } = isSharded(dataset) ? dataset : {};
  if (capacity === undefined) return dataset.count;
  const fours = Math.floor(capacity / 8);
  return Math.min(dataset.count, fours > 0 ? 4 * fours : Math.ceil(capacity / 2));
}

/** The data set for metrics and messages, where it has inputs and labels. */
const pairIn = (dataset: TrainingData) => (hasColumns(dataset) ? {} : { dataset });

const namesOf = ({ name, split, classNames, columns }: PairData) => ({ name, split, classNames, columns });
