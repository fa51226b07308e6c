/** The programs of a trainer, one to train and one to evaluate per data set, compiled when first used. */
import type { Program, TuneOptions } from "../backend.ts";
import type { Dataset } from "../data/dataset.ts";
import type { GraphSpec } from "../plan/graph.ts";
import { state, type Tensor } from "../tensor.ts";
import { evaluationStep, type StepGraph, type TrainStates, trainingStep } from "./graph.ts";
import type { TrainerOptions } from "./options.ts";
import { ResidentData } from "./resident.ts";
import type { StateValues } from "./state-values.ts";
import type { RowLayout } from "./totals.ts";

/** A program that steps through one data set. */
export interface StepProgram {
  readonly program: Program;
  readonly ring: Tensor;
  readonly layout: RowLayout;
  readonly stepsPerEpoch: number;
}

export interface TrainProgram extends StepProgram {
  /** Examines the step that comes next. */
  readonly inspect?: (step: number) => Promise<void>;
}

export interface EvaluationProgram extends StepProgram {
  /** Its step counter, u32 [1]. */
  readonly step: Tensor;
}

export class Programs {
  readonly #training = new Map<Dataset, TrainProgram>();
  readonly #evaluations = new Map<Dataset, EvaluationProgram>();
  readonly #resident = new Map<Dataset, ResidentData>();

  constructor(
    readonly options: TrainerOptions,
    readonly values: StateValues,
    readonly states: TrainStates,
  ) {}

  async training(dataset: Dataset): Promise<TrainProgram> {
    const known = this.#training.get(dataset);
    if (known !== undefined) return known;
    const { batchSize, shuffle = true } = this.options;
    const { step, key } = this.states;
    const data = this.#residentData(dataset);
    const batch = data.batch(batchSize, step, shuffle ? key : undefined);
    const built = trainingStep(this.options, { ...batch, dataset }, this.states);
    const program = await this.#compile(built, data, batchSize, this.options.tune);
    const ready = this.options.detectAnomaly ? { ...program, inspect: await this.#watch(built) } : program;
    this.#training.set(dataset, ready);
    return ready;
  }

  async #watch({ spec }: StepGraph): Promise<(step: number) => Promise<void>> {
    const { anomalyWatch } = await import("./anomaly.ts");
    return anomalyWatch(this.values.backend, spec, this.options.variants ?? {});
  }

  async evaluation(dataset: Dataset): Promise<EvaluationProgram> {
    const known = this.#evaluations.get(dataset);
    if (known !== undefined) return known;
    const { batchSize } = this.options;
    const data = this.#residentData(dataset);
    const evalBatch = Math.min(dataset.count, this.options.evalBatchSize ?? Math.max(batchSize, 200));
    const step = state([1], 0, "u32", "evaluation step");
    const batch = { ...data.batch(evalBatch, step, undefined), dataset };
    const built = evaluationStep(this.options, batch, step);
    const ready = { ...(await this.#compile(built, data, evalBatch)), step };
    this.#evaluations.set(dataset, ready);
    return ready;
  }

  /** Compiles a graph over the run's states, which have their present values there. */
  async compile(spec: GraphSpec, tune: boolean | TuneOptions = false): Promise<Program> {
    const { variants = {}, seed = 0 } = this.options;
    const program = await this.values.backend.compile(spec, { variants, seed, tune });
    this.values.deliver();
    return program;
  }

  /** Forgets what was compiled, for another device. */
  clear(): void {
    this.#training.clear();
    this.#evaluations.clear();
  }

  async #compile(
    built: StepGraph,
    data: ResidentData,
    batchSize: number,
    tune: boolean | TuneOptions = false,
  ): Promise<StepProgram> {
    const prepare = () => {
      this.values.deliver();
      data.upload(this.values.backend);
    };
    const program = await this.compile(
      built.spec,
      tune === false ? false : { prepare, ...(tune === true ? {} : tune) },
    );
    data.upload(this.values.backend);
    return { program, ring: built.ring, layout: built.layout, stepsPerEpoch: data.stepsPerEpoch(batchSize) };
  }

  #residentData(dataset: Dataset): ResidentData {
    const data = this.#resident.get(dataset) ?? new ResidentData(dataset);
    this.#resident.set(dataset, data);
    return data;
  }
}
