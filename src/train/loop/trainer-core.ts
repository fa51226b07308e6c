/**
 * The state of a run on any backend, and what may be done with it between two steps: evaluate, profile, save, load, take a
 * snapshot. `fit` in training-run.ts takes the steps.
 */

import { DeviceError, type DeviceLostError, GraphError, ValueError } from "../../common/errors.ts";
import { checkOptions } from "../../common/options.ts";
import { warn } from "../../common/printable.ts";
import { checkTrainingData, type TrainingData } from "../../data/sharded.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend, FileStore, KernelTime } from "../../runtime/backend.ts";
import type { LoadedRun } from "../state/checkpoint.ts";
import type { FitRecord, FitState } from "../state/fit-record.ts";
import { allStates, LEARNING_RATE, newRun, type RunStates } from "../state/run-states.ts";
import { withAveraged } from "../step/averages.ts";
import { OnDevice } from "../step/on-device.ts";
import { medianTimes, type TrainerParts, type TrainProgram } from "../step/program-source.ts";
import { paceOf, type RunSettings, ringOf, StepRunner } from "../step/runner.ts";
import type { Weights } from "./early-stopping.ts";
import { runEvaluation } from "./evaluation.ts";
import type { Metrics } from "./events.ts";
import { Turns } from "./state-lock.ts";

/** A run at one moment, in host memory. */
export interface Snapshot {
  readonly position: number;
  readonly values: ReadonlyMap<Tensor, Data>;
  /** Tells whether states were written since. */
  readonly revision: number;
}

/** A trainer without its `fit`, which is made of what is here. */
export abstract class TrainerCore extends OnDevice {
  /** Every state of the run by its name. */
  readonly states: RunStates;
  /** Goes into every checkpoint; a run that is resumed has that of the checkpoint. */
  runId = newRun();
  /** What the steps so far went over, where that is known: `32 samples in batches of 8`. */
  trained: string | undefined;
  /** Who may change the states now. */
  protected readonly turns = new Turns();
  #position = 0;
  /** While it takes steps. */
  #runner: StepRunner | undefined;
  #submits = 0;
  /** The first submit of all is one step, to have something to see soon. */
  #stepsPerSubmit = 1;

  constructor(
    readonly options: RunSettings,
    { states, values, programs }: TrainerParts,
  ) {
    super(values, programs, [...allStates(states), ...states.live.values()], options.onNotice);
    this.states = states;
  }

  protected moveBack(step: number): void {
    this.#position = step;
  }

  /** Says what is unusual. */
  notice(line: string): void {
    (this.options.onNotice ?? warn)(line);
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
    return this.values.backend;
  }

  /** Steps taken so far, over all calls of `fit` and including a loaded checkpoint's. */
  get steps(): number {
    return this.#runner?.position ?? this.#position;
  }

  /** Submits made for training so far. */
  get submits(): number {
    return this.#submits;
  }

  /** Number of trainable values. */
  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, t) => sum + t.size, 0);
  }

  /** Does `work` while nothing else changes the run's states: at once, or between two steps of a fit that is under way. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return this.turns.run(work);
  }

  /** For a fit, between two steps: lets others come until `work` is done. */
  aside<T>(work: () => Promise<T>): Promise<T> {
    return this.turns.aside(work);
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
    const given = checkOptions("evaluate", options, kinds);
    return this.turns.run(() => this.measure(dataset, given));
  }

  /** As `evaluate`, for a fit. */
  async measure(
    dataset: TrainingData,
    { average = false, signal }: { readonly signal?: AbortSignal; readonly average?: boolean },
  ): Promise<Metrics> {
    if (average && !this.turns.nested)
      return this.#averaged(() => this.measure(dataset, { ...(signal && { signal }) }));
    return this.survive(async () => {
      const evaluation = await this.programs.evaluation(dataset);
      return runEvaluation(this.backend, evaluation, paceOf(this.backend, this.options), signal);
    });
  }

  /**
   * Runs `work` with the averaged weights in place of the latest, which come back afterwards; `save` in there writes a
   * file of them. Training waits meanwhile, and whatever else is called sees the averages. Throws GraphError for an
   * optimizer without `averageDecay`.
   */
  async withAverages<T>(work: () => Promise<T>): Promise<T> {
    if (this.turns.nested) return this.turns.join(work);
    return this.turns.run(() => this.#averaged(() => this.turns.nest(work)));
  }

  #averaged<T>(work: () => Promise<T>): Promise<T> {
    const write = (tensor: Tensor, data: Data) => this.#write(tensor, data);
    return withAveraged(this.states, { read: (all) => this.#read(all), write }, this.steps, work);
  }

  /** The program that trains on `dataset`, compiled at the first call; rejects where `validation` does not suit the model. */
  trainProgram(dataset: TrainingData, validation?: TrainingData): Promise<TrainProgram> {
    return this.survive(() => this.programs.training(dataset, validation));
  }

  /**
   * Milliseconds of each dispatch of a training step by the adapter's own clock, the median of three steps after one to
   * warm up; undefined where the adapter has no timestamps. The run stays as it was.
   */
  async profile(dataset: TrainingData): Promise<readonly KernelTime[] | undefined> {
    return this.turns.run(() => this.survive(() => this.#profile(dataset)));
  }

  async #profile(dataset: TrainingData): Promise<readonly KernelTime[] | undefined> {
    if (!this.backend.timestamps) return undefined;
    const { program, ring } = await this.programs.training(dataset);
    const { values } = await this.snapshot(this.steps);
    // A fit that is under way may not have read all its rows yet.
    const rows = await this.values.readAll([ring]);
    try {
      return await medianTimes(program);
    } finally {
      for (const [tensor, data] of [...values, ...rows]) this.#write(tensor, data);
    }
  }

  /** A runner that goes on where training stands. */
  runner({ program, ring, feed, inspect }: TrainProgram): StepRunner {
    const examined = inspect === undefined ? {} : { inspect, stepsPerSubmit: 1 };
    const fed = feed === undefined ? {} : { ready: feed.begin() };
    const pace = { ...paceOf(this.backend, this.options), start: this.#stepsPerSubmit, ...fed, ...examined };
    this.recovery.stepping = true;
    this.#runner = new StepRunner(program, ringOf(this.backend, ring), this.#position, pace);
    return this.#runner;
  }

  /** Takes over how far `runner` came. */
  settle(runner: StepRunner): void {
    this.recovery.stepping = false;
    this.#position = runner.position;
    this.#runner = undefined;
    this.#submits += runner.submits;
    this.#stepsPerSubmit = runner.stepsPerSubmit;
  }

  /** Every state of the run as it is after all steps submitted so far; `position` is how many these are. */
  async snapshot(position: number): Promise<Snapshot> {
    this.checkThere();
    const revision = this.values.writes;
    const values = await this.recovery.readAll(this.recovery.states, position);
    this.values.keep(values, revision);
    // A device that was lost with steps that no snapshot had puts the run back.
    const at = this.recovery.stepping ? position : this.#position;
    this.recovery.savedAt = at;
    return { position: at, values, revision };
  }

  /** Whether no state was written since `snapshot` but by training. */
  isCurrent(snapshot: Snapshot): boolean {
    return snapshot.revision === this.values.writes;
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
      if (data !== undefined) this.#write(tensor, data);
    }
  }

  /** The bytes of a checkpoint: a run at `snapshot` with what its `fit` had come to. */
  async checkpoint(
    snapshot: Snapshot,
    record: FitRecord,
    best: Weights | undefined,
    metadata: Readonly<Record<string, string>>,
  ): Promise<Uint8Array> {
    const { saveRun } = await import("../state/checkpoint.ts");
    return saveRun(this.runId, snapshot.values, this.states, record, best, metadata);
  }

  /**
   * Takes everything over from the bytes of a checkpoint. Give what comes back to `fit` as `resume`, and it goes on with
   * the same bits. Rejects with a FormatError on a damaged file, with a MismatchError on one of another model, optimizer or
   * batch size, with a BusyError while a fit is under way, and then changes nothing.
   */
  async restore(bytes: Uint8Array, file = "checkpoint"): Promise<FitState> {
    const { loadRun } = await import("../state/checkpoint.ts");
    return this.turns.run(async () => this.#restore(loadRun(bytes, this.states, this.options, file), file));
  }

  #restore({ values, state, notes }: LoadedRun, file: string): FitState {
    this.#refuseMove(file, state.step, true);
    for (const [tensor, data] of values) this.#write(tensor, data);
    this.#moveTo(state.step);
    this.runId = state.run ?? this.runId;
    for (const note of notes) this.notice(note);
    return state;
  }

  /**
   * After a lost device: opens another one and goes back to `snapshot`; a learning rate that was set since stays. Programs
   * are compiled anew when next used. Throws DeviceLostError where the host can't open another device.
   */
  async recover(snapshot: Snapshot, lost: DeviceLostError): Promise<void> {
    const rate = this.states.live.get(LEARNING_RATE) as Tensor;
    const latest = this.values.copyOf(rate)[0];
    await this.recovery.replace(lost, snapshot);
    // What was set after the snapshot holds from here on.
    if (latest !== undefined && snapshot.values.get(rate)?.[0] !== latest) this.setLearningRate(latest);
  }

  /** States as they are now. */
  async #read(tensors: readonly Tensor[]): Promise<Map<Tensor, Data>> {
    this.checkThere();
    return this.recovery.readAll(tensors, this.steps);
  }

  #write(tensor: Tensor, data: Data): void {
    this.checkThere();
    this.values.write(tensor, data);
  }

  /** Takes over the step of states that were all written. */
  #moveTo(position: number): void {
    this.#position = position;
    this.recovery.savedAt = position;
  }

  /** The current value of a parameter by its name. */
  async parameter(name: string): Promise<Data> {
    const tensor = this.parameters.get(name);
    if (tensor === undefined) {
      throw new GraphError(
        `trainer: has no parameter ${name}; there are ${[...this.parameters.keys()].join(", ")}`,
      );
    }
    return (await this.turns.run(() => this.#read([tensor]))).get(tensor) as Data;
  }

  /** What the next step goes by, in float32; with a schedule, what that is scaled to: its own rate unless set otherwise. */
  get learningRate(): number {
    return this.values.copyOf(this.states.live.get(LEARNING_RATE) as Tensor)[0] as number;
  }

  /** Changes the learning rate from the next submit on. */
  setLearningRate(value: number): void {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new ValueError(`trainer: the learning rate must be a number of at least 0, got ${value}`);
    }
    this.#write(this.states.live.get(LEARNING_RATE) as Tensor, Float64Array.of(value));
  }

  /**
   * The run as the bytes of a safetensors file: parameters, optimizer states, step; neither the seed nor a rate set by
   * `setLearningRate`, which checkpoints of `fit` hold. Equal runs give equal bytes.
   */
  async toSafetensors(metadata: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
    const states = this.states;
    const { saveStates } = await checkpoints();
    const values = await this.turns.run(() => this.#read(allStates(states)));
    return saveStates(values, states, { ...metadata, ...(this.trained && { trained: this.trained }) });
  }

  /**
   * Takes parameters, and optimizer states and step where there are any, from the bytes of a safetensors file. Rejects
   * with a FormatError naming what is missing, unknown or of another shape, with a BusyError where the file's step would
   * move a fit that is under way, and then changes nothing.
   */
  async fromSafetensors(bytes: Uint8Array, file = "safetensors"): Promise<void> {
    const { loadFile } = await checkpoints();
    await this.turns.run(async () => {
      const { values, notes, trained } = loadFile(bytes, this.states, file);
      const step = values.get(this.states.step)?.[0];
      this.#refuseMove(file, step ?? this.steps);
      if (step !== undefined) this.#moveTo(step);
      if (step !== undefined) this.trained = trained;
      for (const [tensor, data] of values) this.#write(tensor, data);
      for (const note of notes) this.notice(note);
    });
  }

  #refuseMove(file: string, step: number, anew = false): void {
    this.values.check();
    this.turns.checkMove(file, step, this.steps, anew);
  }

  /** Writes `toSafetensors` to a file, whole or not at all. Where there are no files (a page), throws DeviceError. */
  async save(path: string, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.files().write(path, await this.toSafetensors(metadata));
  }

  /** Reads a file that `save` or PyTorch's safetensors wrote. */
  async load(path: string): Promise<void> {
    await this.fromSafetensors(await this.files().read(path), path);
  }

  /** The host's files. Throws DeviceError where there are none. */
  files(): FileStore {
    if (this.backend.files === undefined) {
      throw new DeviceError("trainer: there are no files here; use toSafetensors() and fromSafetensors()");
    }
    return this.backend.files;
  }
}

/** Fetched when first needed: a page that only trains does without. */
const checkpoints = () => import("../state/state-file.ts");
