/**
 * Trains a model on any backend. The graph of a step is compiled once and replayed; data, step counter, shuffling and
 * metrics live on the device. What the host does is submit, and now and then look at the ring of metrics.
 */
import type { Backend, FileStore, Program } from "../backend.ts";
import type { Dataset } from "../data/dataset.ts";
import { DeviceError, type DeviceLostError, GraphError, ValueError } from "../errors.ts";
import type { Loss } from "../nn/loss.ts";
import { type Layer, namedBuffers, namedParameters } from "../nn/module.ts";
import { AVERAGE, type Optimizer, type OptimizerStates } from "../optim/optimizer.ts";
import { initialData } from "../plan/initial.ts";
import { packLayout } from "../plan/storage.ts";
import { type Data, state, type Tensor } from "../tensor.ts";
import { anomalyWatch } from "./anomaly.ts";
import { allStates, loadStates, type RunStates, saveStates } from "./checkpoint.ts";
import type { Callback, Metrics } from "./events.ts";
import { Fit, fit } from "./fit.ts";
import { evaluationStep, type StepGraph, trainingStep } from "./graph.ts";
import { ResidentData } from "./resident.ts";
import { type Pace, RING_STEPS, StepRunner } from "./runner.ts";
import { Totals } from "./totals.ts";

export interface TrainerOptions {
  readonly model: Layer;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Samples per training step. */
  readonly batchSize: number;
  /** Seed of start weights and shuffling; default 0. */
  readonly seed?: number;
  /** Samples per evaluation step; default 200, or the batch size if that is more. */
  readonly evalBatchSize?: number;
  /** Forces kernel variants by op name, e.g. `{ conv2d: "im2col" }`. */
  readonly variants?: Readonly<Record<string, string>>;
  /** How long one submit should take, in milliseconds; default what suits the host: about a frame in a page. */
  readonly submitMilliseconds?: number;
  /** Fixes the number of steps per submit. Does not change results, bit for bit. */
  readonly stepsPerSubmit?: number;
  /**
   * Examines everything that a training step computes, before it is taken, and stops with an AnomalyError naming op, label
   * and step at the first NaN or infinity. Many times slower. Default false.
   */
  readonly detectAnomaly?: boolean;
}

export interface FitOptions {
  /** Passes over the training data. */
  readonly epochs: number;
  /** Evaluated after every epoch. */
  readonly validation?: Dataset;
  /** Ends the run cleanly after the steps in flight. */
  readonly signal?: AbortSignal;
  readonly callbacks?: readonly Callback[];
}

/** A training program for one data set. */
export interface TrainProgram {
  readonly program: Program;
  readonly ring: Tensor;
  readonly sums: readonly string[];
  readonly stepsPerEpoch: number;
  /** Examines the step that comes next. */
  readonly inspect?: (step: number) => Promise<void>;
}

/** A run at one moment, in host memory. */
export interface Snapshot {
  readonly position: number;
  readonly values: ReadonlyMap<Tensor, Data>;
}

interface Evaluation extends TrainProgram {
  readonly step: Tensor;
}

export class Trainer {
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** States of the model that are not trained but saved, such as running statistics. */
  readonly buffers: ReadonlyMap<string, Tensor>;
  readonly #step = state([1], 0, "u32", "step");
  readonly #key: Tensor;
  /** Values of states that no program has put on the device yet. */
  readonly #values = new Map<Tensor, Data>();
  readonly #training = new Map<Dataset, TrainProgram>();
  readonly #evaluations = new Map<Dataset, Evaluation>();
  readonly #resident = new Map<Dataset, ResidentData>();
  readonly #optimizerStates: OptimizerStates;
  #position = 0;
  #submits = 0;
  /** The first submit of all is one step, so that there is something to see soon. */
  #stepsPerSubmit = 1;

  #backend: Backend;

  private constructor(
    backend: Backend,
    readonly options: TrainerOptions,
  ) {
    this.#backend = backend;
    const seed = options.seed ?? 0;
    this.parameters = namedParameters(options.model);
    this.buffers = namedBuffers(options.model);
    if (this.parameters.size === 0) throw new ValueError("trainer: the model has no parameters to train");
    this.#key = state([2], Uint32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32)), "u32", "random key");
    // A stream per parameter, so that start weights depend on seed and place in the model only.
    [...this.parameters.values()].forEach((t, i) => {
      this.#values.set(t, initialData(t, seed, i));
    });
    this.#optimizerStates = options.optimizer.states(
      [...this.parameters.values()],
      [...this.parameters.keys()],
    );
  }

  /** Throws ValueError on a batch size or seed that is no whole number, and on a model without parameters. */
  static async create(backend: Backend, options: TrainerOptions): Promise<Trainer> {
    whole("batchSize", options.batchSize, 1);
    whole("seed", options.seed ?? 0, 0);
    whole("evalBatchSize", options.evalBatchSize ?? 1, 1);
    whole("stepsPerSubmit", options.stepsPerSubmit ?? 1, 1);
    if ((options.stepsPerSubmit ?? 1) > RING_STEPS) {
      throw new ValueError(
        `trainer: stepsPerSubmit must be at most ${RING_STEPS}, got ${options.stepsPerSubmit}`,
      );
    }
    return new Trainer(backend, options);
  }

  /** The device in use; another one after a lost device was replaced. */
  get backend(): Backend {
    return this.#backend;
  }

  /** Steps taken so far, over all calls of `fit` and including a loaded checkpoint's. */
  get steps(): number {
    return this.#position;
  }

  /** Submits made for training so far. */
  get submits(): number {
    return this.#submits;
  }

  /** Number of trainable values. */
  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, t) => sum + t.size, 0);
  }

  /**
   * Trains for `epochs` passes. Iterate over it for events (`for await (const event of trainer.fit(…))`), or await it
   * for the History.
   */
  fit(train: Dataset, options: FitOptions): Fit {
    whole("epochs", options.epochs, 1);
    return new Fit(fit(this, train, options), options.callbacks ?? []);
  }

  /**
   * Mean loss, and accuracy for class labels, over a whole data set. Every sample counts once. Rejects with the reason
   * of `signal` when that is aborted, after the steps in flight. With `average`, the averaged weights are evaluated and
   * not the latest; the optimizer must have an `averageDecay`, else throws GraphError.
   */
  async evaluate(
    dataset: Dataset,
    options: { readonly signal?: AbortSignal; readonly average?: boolean } = {},
  ): Promise<Metrics> {
    const { average = false, ...rest } = options;
    if (average) return this.withAverages(() => this.evaluate(dataset, rest));
    const evaluation = this.#evaluations.get(dataset) ?? (await this.#compileEvaluation(dataset));
    this.backend.write(evaluation.step, Uint32Array.of(0));
    const runner = new StepRunner(this.backend, evaluation.program, evaluation.ring, 0, this.#pace());
    const totals = new Totals(evaluation.sums);
    while (runner.position < evaluation.stepsPerEpoch) {
      options.signal?.throwIfAborted();
      await runner.advance(evaluation.stepsPerEpoch - runner.position);
      if (runner.full) totals.add(await runner.collect(), totals.steps);
    }
    totals.add(await runner.collect(), totals.steps);
    return totals.metrics();
  }

  /**
   * Runs `work` with the averaged weights in place of the latest, which come back afterwards; `save` in there writes a
   * file of them. Must not overlap with training. Throws GraphError for an optimizer without `averageDecay`.
   */
  async withAverages<T>(work: () => Promise<T>): Promise<T> {
    const average = this.#optimizerStates.packed[AVERAGE];
    if (average === undefined) throw new GraphError("trainer: averages need an optimizer with averageDecay");
    const parameters = [...this.parameters.values()];
    const latest = await this.#readAll([...parameters, average]);
    const averages = latest.get(average) as Data;
    const { offsets } = packLayout(parameters.map((t) => t.size));
    try {
      // Before the first step there is no average yet.
      if (this.#position > 0) {
        parameters.forEach((t, i) => {
          const at = offsets[i] as number;
          this.#write(t, averages.slice(at, at + t.size));
        });
      }
      return await work();
    } finally {
      for (const t of parameters) this.#write(t, latest.get(t) as Data);
    }
  }

  /** The program that trains on `dataset`, compiled at the first call. */
  async trainProgram(dataset: Dataset): Promise<TrainProgram> {
    const known = this.#training.get(dataset);
    if (known !== undefined) return known;
    const { model, loss, optimizer, batchSize } = this.options;
    const data = this.#residentData(dataset);
    const batch = data.batch(batchSize, this.#step, this.#key);
    const parameters = [...this.parameters.values()];
    const built = trainingStep(
      model,
      loss,
      batch,
      this.#step,
      this.#key,
      parameters,
      optimizer,
      this.#optimizerStates,
    );
    const program = await this.#compile(built, data, batchSize);
    const ready = this.options.detectAnomaly
      ? { ...program, inspect: await anomalyWatch(this.backend, built.spec, this.options.variants ?? {}) }
      : program;
    this.#training.set(dataset, ready);
    return ready;
  }

  /** A runner that goes on where training stands. */
  runner({ program, ring, inspect }: TrainProgram): StepRunner {
    const examined = inspect === undefined ? {} : { inspect, stepsPerSubmit: 1 };
    const pace = { ...this.#pace(), start: this.#stepsPerSubmit, ...examined };
    return new StepRunner(this.backend, program, ring, this.#position, pace);
  }

  /** Takes over how far `runner` came. */
  settle(runner: StepRunner): void {
    this.#position = runner.position;
    this.#submits += runner.submits;
    this.#stepsPerSubmit = runner.stepsPerSubmit;
  }

  /** Every state of the run as it is after all steps submitted so far; `position` is how many these are. */
  async snapshot(position: number): Promise<Snapshot> {
    return {
      position,
      values: await this.#readAll([...allStates(this.#runStates()), this.#optimizerStates.learningRate]),
    };
  }

  /**
   * After a lost device: opens another one and goes back to `snapshot`. Programs are compiled anew when next used.
   * Throws `lost` itself where the host can't open another device.
   */
  async recover(snapshot: Snapshot, lost: DeviceLostError): Promise<void> {
    if (this.#backend.reopen === undefined) throw lost;
    this.#backend = await this.#backend.reopen();
    this.#training.clear();
    this.#evaluations.clear();
    this.#position = snapshot.position;
    for (const [tensor, data] of snapshot.values) this.#values.set(tensor, data);
  }

  /** The current value of a parameter by its name. */
  async parameter(name: string): Promise<Data> {
    const tensor = this.parameters.get(name);
    if (tensor === undefined) {
      throw new GraphError(
        `trainer: has no parameter ${name}; there are ${[...this.parameters.keys()].join(", ")}`,
      );
    }
    return (await this.#readAll([tensor])).get(tensor) as Data;
  }

  /** Changes the learning rate from the next submit on. */
  setLearningRate(value: number): void {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new ValueError(`trainer: the learning rate must be a number of at least 0, got ${value}`);
    }
    this.#write(this.#optimizerStates.learningRate, Float64Array.of(value));
  }

  /** The run as the bytes of a safetensors file: parameters, optimizer states, step. Equal runs give equal bytes. */
  async toSafetensors(metadata: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
    const states = this.#runStates();
    return saveStates(await this.#readAll(allStates(states)), states, metadata);
  }

  /**
   * Takes parameters, and optimizer states and step where there are any, from the bytes of a safetensors file. Throws
   * FormatError naming what is missing, unknown or of another shape, and then changes nothing.
   */
  fromSafetensors(bytes: Uint8Array, file = "safetensors"): void {
    for (const [tensor, data] of loadStates(bytes, this.#runStates(), file)) {
      if (tensor === this.#step) this.#position = data[0] as number;
      this.#write(tensor, data);
    }
  }

  /** Writes `toSafetensors` to a file, whole or not at all. Where there are no files (a page), throws DeviceError. */
  async save(path: string, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#files().write(path, await this.toSafetensors(metadata));
  }

  /** Reads a file that `save` or PyTorch's safetensors wrote. */
  async load(path: string): Promise<void> {
    this.fromSafetensors(await this.#files().read(path), path);
  }

  async #compileEvaluation(dataset: Dataset): Promise<Evaluation> {
    const { model, loss, batchSize } = this.options;
    const data = this.#residentData(dataset);
    const evalBatch = Math.min(dataset.count, this.options.evalBatchSize ?? Math.max(batchSize, 200));
    const step = state([1], 0, "u32", "evaluation step");
    const built = evaluationStep(model, loss, data.batch(evalBatch, step, undefined), step);
    const ready = { ...(await this.#compile(built, data, evalBatch)), step };
    this.#evaluations.set(dataset, ready);
    return ready;
  }

  async #compile(built: StepGraph, data: ResidentData, batchSize: number): Promise<TrainProgram> {
    const { variants = {}, seed = 0 } = this.options;
    const program = await this.backend.compile(built.spec, { variants, seed });
    for (const [tensor, value] of this.#values) {
      if (!this.backend.holds(tensor)) continue;
      this.backend.write(tensor, value);
      this.#values.delete(tensor);
    }
    data.upload(this.backend);
    return { program, ring: built.ring, sums: built.sums, stepsPerEpoch: data.stepsPerEpoch(batchSize) };
  }

  #residentData(dataset: Dataset): ResidentData {
    const data = this.#resident.get(dataset) ?? new ResidentData(dataset, this.options.loss.classes);
    this.#resident.set(dataset, data);
    return data;
  }

  async #readAll(tensors: readonly Tensor[]): Promise<Map<Tensor, Data>> {
    const held = tensors.filter((t) => this.backend.holds(t));
    const read = held.length === 0 ? [] : await this.backend.readAll(held);
    const values = new Map(held.map((t, i) => [t, read[i] as Data]));
    for (const t of tensors) {
      if (!values.has(t)) values.set(t, this.#values.get(t) ?? initialData(t, this.options.seed ?? 0, 0));
    }
    return values;
  }

  #write(tensor: Tensor, data: Data): void {
    if (this.backend.holds(tensor)) this.backend.write(tensor, data);
    else this.#values.set(tensor, data);
  }

  #runStates(): RunStates {
    return {
      parameters: this.parameters,
      buffers: this.buffers,
      packed: new Map(Object.entries(this.#optimizerStates.packed)),
      step: this.#step,
    };
  }

  #pace(): Pace {
    const { submitMilliseconds, stepsPerSubmit } = this.options;
    const milliseconds = submitMilliseconds ?? this.backend.submitMilliseconds;
    return stepsPerSubmit === undefined ? { milliseconds } : { milliseconds, stepsPerSubmit };
  }

  #files(): FileStore {
    if (this.backend.files === undefined) {
      throw new DeviceError("trainer: there are no files here; use toSafetensors() and fromSafetensors()");
    }
    return this.backend.files;
  }
}

function whole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new ValueError(`trainer: ${name} must be a whole number of at least ${least}, got ${value}`);
  }
}
