/**
 * Trains a model on any backend. The graph of a step is compiled once and replayed; data, step counter, shuffling and
 * metrics live on the device. What the host does is submit, and now and then look at the ring of metrics.
 */
import type { Backend, FileStore, KernelTime, Program } from "../backend.ts";
import { checkTrainingData, type TrainingData } from "../data/sharded.ts";
import { DeviceError, type DeviceLostError, GraphError, ValueError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import type { GraphSpec } from "../plan/graph.ts";
import { packLayout } from "../plan/pack-layout.ts";
import { warn } from "../printable.ts";
import type { Data, Tensor } from "../tensor.ts";
import type { Weights } from "./early-stopping.ts";
import { runEvaluation } from "./evaluation.ts";
import type { Metrics } from "./events.ts";
import { Fit } from "./fit.ts";
import { checkFitOptions, type FitOptions, type RunSettings } from "./options.ts";
import { type Recovered, Recovery } from "./recovery.ts";
import type { EvaluationProgram, RunPrograms, TrainProgram } from "./run-programs.ts";
import type { FitRecord, FitState } from "./run-state.ts";
import { AVERAGE, allStates, LEARNING_RATE, type RunStates } from "./run-states.ts";
import { type Pace, ringOf, StepRunner } from "./runner.ts";
import type { StateValues } from "./state-values.ts";
import { fit } from "./training-run.ts";

/** A run at one moment, in host memory. */
export interface Snapshot {
  readonly position: number;
  readonly values: ReadonlyMap<Tensor, Data>;
  /** Tells whether states were written since. */
  readonly revision: number;
}

/** What a trainer is made of. */
export interface TrainerParts {
  readonly states: RunStates;
  readonly values: StateValues;
  readonly programs: RunPrograms;
}

/** What `Trainer` and a recording's trainer have in common: all but where programs come from. */
export abstract class AnyTrainer {
  /** Every state of the run by its name. */
  readonly states: RunStates;
  /** Goes into every checkpoint; a run that is resumed has that of the checkpoint. */
  runId = newRun();
  readonly #values: StateValues;
  readonly #programs: RunPrograms;
  readonly #recovery: Recovery;
  #position = 0;
  #submits = 0;
  /** The first submit of all is one step, so that there is something to see soon. */
  #stepsPerSubmit = 1;

  constructor(
    readonly options: RunSettings,
    { states, values, programs }: TrainerParts,
  ) {
    this.states = states;
    this.#values = values;
    this.#programs = programs;
    const all = [...allStates(states), ...states.live.values()];
    const moveBack = (step: number) => {
      this.#position = step;
    };
    const { onNotice = warn } = options;
    this.#recovery = new Recovery(values, programs, all, moveBack, ({ step, message, adapter }) =>
      onNotice(`${message}; going on with ${adapter} from step ${step}`),
    );
  }

  get parameters(): ReadonlyMap<string, Tensor> {
    return this.states.parameters;
  }

  /** States of the model that are not trained but saved, such as running statistics. */
  get buffers(): ReadonlyMap<string, Tensor> {
    return this.states.buffers;
  }

  /** The device in use; another one after a lost device was replaced. */
  get backend(): Backend {
    return this.#values.backend;
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
   * Trains for `epochs` passes or `steps` steps, for one pass where neither is given. Iterate over it for events (`for await (const event of trainer.fit(…))`), or await it
   * for the History.
   */
  fit(train: TrainingData, given: FitOptions = {}): Fit {
    checkTrainingData("fit", train);
    const options = checkFitOptions(given);
    return new Fit(fit(this, train, options), options.callbacks ?? []);
  }

  /**
   * Mean loss, and accuracy for class labels, over a whole data set. Every sample counts once. Rejects with the reason
   * of `signal` when that is aborted, after the steps in flight. With `average`, the averaged weights are evaluated and
   * not the latest; the optimizer must have an `averageDecay`, else throws GraphError.
   */
  async evaluate(
    dataset: TrainingData,
    options: { readonly signal?: AbortSignal; readonly average?: boolean } = {},
  ): Promise<Metrics> {
    checkTrainingData("evaluate", dataset);
    const kinds = { signal: "object", average: "boolean" } as const;
    const { average = false, ...rest } = checkOptions("evaluate", options, kinds);
    if (average) return this.withAverages(() => this.evaluate(dataset, rest));
    return this.survive(async () => {
      const evaluation = await this.#programs.evaluation(dataset);
      return runEvaluation(this.backend, evaluation, this.#pace(), options.signal);
    });
  }

  /**
   * Runs `work` with the averaged weights in place of the latest, which come back afterwards; `save` in there writes a
   * file of them. Must not overlap with training. Throws GraphError for an optimizer without `averageDecay`.
   */
  async withAverages<T>(work: () => Promise<T>): Promise<T> {
    const average = this.states.packed.get(AVERAGE);
    if (average === undefined) throw new GraphError("trainer: averages need an optimizer with averageDecay");
    const parameters = [...this.parameters.values()];
    const latest = await this.#read([...parameters, average]);
    const averages = latest.get(average) as Data;
    const { offsets } = packLayout(parameters.map((t) => t.size));
    try {
      // Before the first step there is no average yet.
      if (this.#position > 0) {
        parameters.forEach((t, i) => {
          const at = offsets[i] as number;
          this.#values.write(t, averages.slice(at, at + t.size));
        });
      }
      return await work();
    } finally {
      for (const t of parameters) this.#values.write(t, latest.get(t) as Data);
    }
  }

  /** The program that trains on `dataset`, compiled at the first call. */
  trainProgram(dataset: TrainingData): Promise<TrainProgram> {
    return this.survive(() => this.#programs.training(dataset));
  }

  /** The program that evaluates `dataset`, compiled at the first call. */
  evaluationProgram(dataset: TrainingData): Promise<EvaluationProgram> {
    return this.survive(() => this.#programs.evaluation(dataset));
  }

  /**
   * Any graph over this run's parameters and states, compiled for the device in use (`backend`, which changes after a
   * loss). It may run at any time, also between the steps of `fit`, and sees the weights as they are then.
   */
  compile(spec: GraphSpec): Promise<Program> {
    return this.survive(() => this.#programs.compile(spec));
  }

  /**
   * Does `work`, and all of it again on another device (`backend`) if this one is lost meanwhile: the run then goes on from
   * its last snapshot. Between the steps of `fit` a lost device is replaced by that alone, and `work` rejects.
   */
  survive<T>(work: () => Promise<T>): Promise<T> {
    return this.#recovery.survive(work);
  }

  /** Has `hear` told of replaced devices in place of whoever was; returns who was. */
  hearRecoveries(hear: (recovered: Recovered) => void): (recovered: Recovered) => void {
    const before = this.#recovery.hear;
    this.#recovery.hear = hear;
    return before;
  }

  /**
   * Milliseconds of each dispatch of a training step by the adapter's own clock, the median of three steps after one to
   * warm up; undefined where the adapter has no timestamps. The run stays as it was. Must not overlap with `fit`.
   */
  async profile(dataset: TrainingData): Promise<readonly KernelTime[] | undefined> {
    if (!this.backend.timestamps) return undefined;
    return this.survive(() => this.#profile(dataset));
  }

  async #profile(dataset: TrainingData): Promise<readonly KernelTime[]> {
    const { program } = await this.#programs.training(dataset);
    const { values } = await this.snapshot(this.#position);
    try {
      await program.profile?.();
      const rounds: (readonly KernelTime[])[] = [];
      for (let i = 0; i < 3; i++) rounds.push((await program.profile?.()) ?? []);
      return (rounds[0] ?? []).map(({ label }, i) => ({
        label,
        milliseconds: rounds.map((r) => r[i]?.milliseconds ?? 0).sort((a, b) => a - b)[1] as number,
      }));
    } finally {
      for (const [tensor, data] of values) this.#values.write(tensor, data);
    }
  }

  /** A runner that goes on where training stands. */
  runner({ program, ring, feed, inspect }: TrainProgram): StepRunner {
    const examined = inspect === undefined ? {} : { inspect, stepsPerSubmit: 1 };
    const fed = feed === undefined ? {} : { ready: feed.begin() };
    const pace = { ...this.#pace(), start: this.#stepsPerSubmit, ...fed, ...examined };
    this.#recovery.stepping = true;
    return new StepRunner(program, ringOf(this.backend, ring), this.#position, pace);
  }

  /** Takes over how far `runner` came. */
  settle(runner: StepRunner): void {
    this.#recovery.stepping = false;
    this.#position = runner.position;
    this.#submits += runner.submits;
    this.#stepsPerSubmit = runner.stepsPerSubmit;
  }

  /** Every state of the run as it is after all steps submitted so far; `position` is how many these are. */
  async snapshot(position: number): Promise<Snapshot> {
    const revision = this.#values.writes;
    const values = await this.#recovery.readAll(this.#recovery.states, position);
    this.#values.keep(values, revision);
    // A device that was lost with steps that no snapshot had puts the run back.
    const at = this.#recovery.stepping ? position : this.#position;
    this.#recovery.savedAt = at;
    return { position: at, values, revision };
  }

  /** Whether no state was written since `snapshot` but by training. */
  isCurrent(snapshot: Snapshot): boolean {
    return snapshot.revision === this.#values.writes;
  }

  /** Parameters and buffers as they were at `snapshot`. */
  weightsOf(snapshot: Snapshot): Weights {
    const weights = [...this.parameters, ...this.buffers];
    return new Map(weights.map(([name, tensor]) => [name, snapshot.values.get(tensor) as Data]));
  }

  /** Puts parameters and buffers back; moments and step stay. */
  setWeights(weights: Weights): void {
    for (const [name, tensor] of [...this.parameters, ...this.buffers]) {
      const data = weights.get(name);
      if (data !== undefined) this.#values.write(tensor, data);
    }
  }

  /** The bytes of a checkpoint: a run at `snapshot` with what its `fit` had come to. */
  async checkpoint(
    snapshot: Snapshot,
    record: FitRecord,
    best: Weights | undefined,
    metadata: Readonly<Record<string, string>>,
  ): Promise<Uint8Array> {
    const { saveRun } = await import("./run-file.ts");
    return saveRun(this.runId, snapshot.values, this.states, record, best, metadata);
  }

  /**
   * Takes everything over from the bytes of a checkpoint. Give what comes back to `fit` as `resume`, and it goes on with
   * the same bits. Rejects with a FormatError on a damaged file or one of another model, and then changes nothing.
   */
  async restore(bytes: Uint8Array, file = "checkpoint"): Promise<FitState> {
    const { loadRun } = await import("./run-file.ts");
    const { values, state } = loadRun(bytes, this.states, file);
    for (const [tensor, data] of values) this.#values.write(tensor, data);
    this.#moveTo(state.step);
    this.runId = state.run ?? this.runId;
    return state;
  }

  /**
   * After a lost device: opens another one and goes back to `snapshot`; a learning rate that was set since stays. Programs
   * are compiled anew when next used. Throws DeviceLostError where the host can't open another device.
   */
  async recover(snapshot: Snapshot, lost: DeviceLostError): Promise<void> {
    const rate = this.states.live.get(LEARNING_RATE) as Tensor;
    const latest = this.#values.copyOf(rate)[0];
    await this.#recovery.replace(lost, snapshot);
    // What was set after the snapshot holds from here on.
    if (latest !== undefined && snapshot.values.get(rate)?.[0] !== latest) this.setLearningRate(latest);
  }

  /** States as they are now. */
  #read(tensors: readonly Tensor[]): Promise<Map<Tensor, Data>> {
    return this.#recovery.readAll(tensors, this.#position);
  }

  /** Takes over the step of states that were all written. */
  #moveTo(position: number): void {
    this.#position = position;
    this.#recovery.savedAt = position;
  }

  /** The current value of a parameter by its name. */
  async parameter(name: string): Promise<Data> {
    const tensor = this.parameters.get(name);
    if (tensor === undefined) {
      throw new GraphError(
        `trainer: has no parameter ${name}; there are ${[...this.parameters.keys()].join(", ")}`,
      );
    }
    return (await this.#read([tensor])).get(tensor) as Data;
  }

  /** Changes the learning rate from the next submit on. */
  setLearningRate(value: number): void {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new ValueError(`trainer: the learning rate must be a number of at least 0, got ${value}`);
    }
    this.#values.write(this.states.live.get(LEARNING_RATE) as Tensor, Float64Array.of(value));
  }

  /** The run as the bytes of a safetensors file: parameters, optimizer states, step. Equal runs give equal bytes. */
  async toSafetensors(metadata: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
    const states = this.states;
    const { saveStates } = await checkpoints();
    return saveStates(await this.#read(allStates(states)), states, metadata);
  }

  /**
   * Takes parameters, and optimizer states and step where there are any, from the bytes of a safetensors file. Rejects
   * with a FormatError naming what is missing, unknown or of another shape, and then changes nothing.
   */
  async fromSafetensors(bytes: Uint8Array, file = "safetensors"): Promise<void> {
    const { loadStates } = await checkpoints();
    for (const [tensor, data] of loadStates(bytes, this.states, file)) {
      if (tensor === this.states.step) this.#moveTo(data[0] as number);
      this.#values.write(tensor, data);
    }
  }

  /** Writes `toSafetensors` to a file, whole or not at all. Where there are no files (a page), throws DeviceError. */
  async save(path: string, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.files().write(path, await this.toSafetensors(metadata));
  }

  /** Reads a file that `save` or PyTorch's safetensors wrote. */
  async load(path: string): Promise<void> {
    await this.fromSafetensors(await this.files().read(path), path);
  }

  #pace(): Pace {
    const { submitMilliseconds, stepsPerSubmit } = this.options;
    const milliseconds = submitMilliseconds ?? this.backend.submitMilliseconds;
    // Nothing is queued on the CPU reference, so a submit of more than a step would only hold up its thread.
    const fixed = stepsPerSubmit ?? (this.backend.kind === "cpu" ? 1 : undefined);
    return fixed === undefined ? { milliseconds } : { milliseconds, stepsPerSubmit: fixed };
  }

  /** The host's files. Throws DeviceError where there are none. */
  files(): FileStore {
    if (this.backend.files === undefined) {
      throw new DeviceError("trainer: there are no files here; use toSafetensors() and fromSafetensors()");
    }
    return this.backend.files;
  }
}

/** 16 hexadecimal digits, different for every run. */
const newRun = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );

/** Fetched when first needed: a page that only trains does without. */
const checkpoints = () => import("./checkpoint.ts");
