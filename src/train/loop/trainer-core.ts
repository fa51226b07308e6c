/**
 * What a trainer is to its `fit`: a run on a device that may be lost and replaced. It hands out step runners, reads and writes
 * states, takes snapshots, restores checkpoints and evaluates. AnyTrainer adds what users call.
 */

import { isSharded, type TrainingData } from "../../data/sharded.ts";
import { packLayout } from "../../graph/pack-layout.ts";
import type { Data } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Backend, FileStore } from "../../runtime/backend.ts";
import {
  ClosedError,
  DeviceError,
  type DeviceLostError,
  GraphError,
  ValueError,
} from "../../validation/errors.ts";
import { warn } from "../../validation/printable.ts";
import { MetricAccumulator } from "../metrics/accumulator.ts";
import type { DeviceStates, Recovered, Snapshot } from "../state/device-states.ts";
import type { FitState } from "../state/fit-record.ts";
import { AVERAGE, newRunId, type RunStates } from "../state/run-states.ts";
import type { ProgramSource, SingleStep, TrainerParts, TrainProgram } from "../step/program-source.ts";
import { type RunSettings, StepRunner } from "../step/runner.ts";
import type { Weights } from "./early-stopping.ts";
import type { Metrics, TrainMetrics } from "./events.ts";
import { StateLock } from "./state-lock.ts";

export interface EvaluateOptions {
  readonly signal?: AbortSignal;
  readonly average?: boolean;
}

export abstract class TrainerCore {
  /** Every state of the run by its name. */
  readonly states: RunStates;
  /** Stored in every checkpoint; a resumed run has that of its checkpoint. */
  runId = newRunId();
  /** What the steps so far were trained on, if known: `32 samples in batches of 8`. */
  trained: string | undefined;
  /** Who may use the states now. */
  readonly lock = new StateLock();
  readonly values: DeviceStates;
  protected readonly programs: ProgramSource;
  #destroyed = false;
  /** While a fit takes steps. */
  #runner: StepRunner | undefined;
  #submits = 0;
  /** The very first submit is a single step, so that metrics are there soon. */
  #stepsPerSubmit = 1;

  protected constructor(
    readonly options: RunSettings,
    { states, values, programs }: TrainerParts,
  ) {
    this.states = states;
    this.values = values;
    this.programs = programs;
    values.onReplace = () => programs.clear();
    values.hear = ({ step, message, adapter }) =>
      this.notice(`${message}; going on with ${adapter} from step ${step}`);
  }

  /** Tells the user what is unusual but no error. */
  notice(line: string): void {
    (this.options.onNotice ?? warn)(line);
  }

  get parameters(): ReadonlyMap<string, Tensor> {
    return this.states.parameters;
  }

  /** States of the model that are saved but not trained, such as running statistics. */
  get buffers(): ReadonlyMap<string, Tensor> {
    return this.states.buffers;
  }

  /** The device in use; another one after a lost device was replaced. */
  get backend(): Backend {
    return this.values.backend;
  }

  /** The host's files. Throws DeviceError where there are none. */
  files(): FileStore {
    if (this.backend.files === undefined) {
      throw new DeviceError("trainer: there are no files here; use toSafetensors() and fromSafetensors()");
    }
    return this.backend.files;
  }

  /** Steps taken so far, over all calls of `fit` and including a loaded checkpoint's. */
  get steps(): number {
    return this.#runner?.position ?? this.values.position;
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
    return this.lock.run(work);
  }

  /**
   * Does `work`, and all of it again on another device (`backend`) if this one is lost meanwhile: the run then continues from
   * its last snapshot. While a fit takes steps, only the fit replaces a lost device, and `work` rejects.
   */
  async survive<T>(work: () => Promise<T>): Promise<T> {
    this.checkUsable();
    return this.values.survive(work);
  }

  /** Makes `hear` the listener for replaced devices; returns the previous listener. */
  hearRecoveries(hear: (recovered: Recovered) => void): (recovered: Recovered) => void {
    const before = this.values.hear;
    this.values.hear = hear;
    return before;
  }

  /**
   * After a lost device: opens another one and goes back to `snapshot`; a learning rate that was set since stays. Programs
   * are compiled again when next used. Throws DeviceLostError where the host can't open another device.
   */
  async recover(snapshot: Snapshot, lost: DeviceLostError): Promise<void> {
    const latest = this.states.optimizers.map(
      ({ learningRate }) => [learningRate, this.values.copyOf(learningRate)] as const,
    );
    await this.values.replace(lost, snapshot);
    for (const [rate, data] of latest) if (snapshot.values.get(rate)?.[0] !== data[0]) this.write(rate, data);
  }

  /** The program that trains on `dataset`, compiled at the first call. Rejects where `validation` does not fit the model. */
  trainProgram(dataset: TrainingData, validation?: TrainingData): Promise<TrainProgram> {
    return this.survive(() => this.programs.training(dataset, validation));
  }

  /** Those of the options that a runner takes. */
  get #pace(): Pick<RunSettings, "submitMilliseconds" | "stepsPerSubmit"> {
    const { submitMilliseconds, stepsPerSubmit } = this.options;
    return {
      ...(submitMilliseconds !== undefined && { submitMilliseconds }),
      ...(stepsPerSubmit !== undefined && { stepsPerSubmit }),
    };
  }

  /** A runner that continues where training stands; call `finish` with it afterwards. */
  runner({ program, rings, loader, inspect }: TrainProgram): StepRunner {
    this.values.stepping = true;
    this.#runner = new StepRunner(program, this.backend, rings, {
      ...this.#pace,
      first: this.values.position,
      start: this.#stepsPerSubmit,
      ...(loader && { prepare: loader.begin() }),
      ...(inspect && { inspect, stepsPerSubmit: 1 }),
    });
    return this.#runner;
  }

  /** Takes over the step and the pace that `runner` came to. */
  finish(runner: StepRunner): void {
    this.values.stepping = false;
    this.values.position = runner.position;
    this.#runner = undefined;
    this.#submits += runner.submits;
    this.#stepsPerSubmit = runner.stepsPerSubmit;
  }

  /** Takes one step with what is in the inputs of `program`, for a caller that has the lock. */
  protected async stepOnce({ program, rings, inspect }: SingleStep): Promise<TrainMetrics> {
    const first = this.values.position;
    const options = { first, stepsPerSubmit: 1, ...(inspect && { inspect }) };
    const runner = new StepRunner(program, this.backend, rings, options);
    await runner.advance(1);
    const rows = await runner.collect();
    this.values.position = runner.position;
    this.#submits++;
    const metrics = new MetricAccumulator(rings);
    metrics.add(rows, first);
    return metrics.metrics();
  }

  /** Metrics of a data set, for a caller that has the lock; see `AnyTrainer.evaluate`. */
  async measure(dataset: TrainingData, { average = false, signal }: EvaluateOptions): Promise<Metrics> {
    if (average && !this.lock.replaced)
      return this.averaged(() => this.measure(dataset, signal ? { signal } : {}));
    return this.survive(async () => {
      const { program, rings, loader, steps, stepsPerEpoch } = await this.programs.evaluation(dataset);
      // Read now: the device may have been replaced while the program was compiled.
      const { backend } = this;
      for (const step of steps) backend.write(step, Uint32Array.of(0));
      const options = { ...this.#pace, ...(loader && { prepare: loader.begin() }) };
      const metrics = new MetricAccumulator(rings, "evaluation");
      try {
        await new StepRunner(program, backend, rings, options).runUntil(stepsPerEpoch, metrics, signal);
      } finally {
        if (isSharded(dataset)) await dataset.close?.();
      }
      return metrics.metrics();
    });
  }

  /** Does `work` with the averaged weights in place of the latest. Throws GraphError where the optimizer keeps none. */
  protected async averaged<T>(work: () => Promise<T>): Promise<T> {
    const averaged = this.states.optimizers.filter(({ packed }) => packed.has(AVERAGE));
    if (averaged.length === 0) {
      throw new GraphError("trainer: averages need an optimizer with averageDecay; give it one");
    }
    const trained = averaged.flatMap(({ parameters }) => [...parameters.values()]);
    const latest = await this.read([
      ...trained,
      ...averaged.map(({ packed }) => packed.get(AVERAGE) as Tensor),
    ]);
    try {
      for (const { packed, parameters, every } of averaged) {
        // Before the first update there is no average yet.
        if (this.steps < every) continue;
        const averages = latest.get(packed.get(AVERAGE) as Tensor) as Data;
        const tensors = [...parameters.values()];
        const { offsets } = packLayout(tensors.map((t) => t.size));
        tensors.forEach((t, i) => {
          const offset = offsets[i] as number;
          this.write(t, averages.slice(offset, offset + t.size));
        });
      }
      return await work();
    } finally {
      for (const t of trained) this.write(t, latest.get(t) as Data);
    }
  }

  /** Every state of the run after all steps submitted so far; `position` is their number. */
  async snapshot(position: number): Promise<Snapshot> {
    this.checkUsable();
    return this.values.snapshot(position);
  }

  /** Parameters and buffers as they were at `snapshot`. */
  weightsOf(snapshot: Snapshot): Weights {
    const weights = [...this.parameters, ...this.buffers];
    return new Map(weights.map(([name, tensor]) => [name, snapshot.values.get(tensor) as Data]));
  }

  /** Writes parameters and buffers; optimizer states and step stay. */
  setWeights(weights: Weights): void {
    for (const [name, tensor] of [...this.parameters, ...this.buffers]) {
      const data = weights.get(name);
      if (data !== undefined) this.write(tensor, data);
    }
  }

  #rateOf(phase?: string): Tensor {
    const { optimizers } = this.states;
    const found = phase === undefined ? optimizers[0] : optimizers.find(({ name }) => name === phase);
    if (found !== undefined && (phase !== undefined || optimizers.length === 1)) return found.learningRate;
    const names = optimizers.map(({ name }) => name || "none").join(", ");
    throw new ValueError(
      `trainer: a learning rate belongs to one of the phases; there are ${names}, got ${phase}`,
    );
  }

  /**
   * The rate of the next step, in float32; with a schedule, what it is scaled to: its own rate unless set otherwise. Of several
   * phases, that of the first.
   */
  get learningRate(): number {
    return this.values.copyOf(this.#rateOf(this.states.optimizers[0]?.name))[0] as number;
  }

  /** Changes the learning rate from the next submit on; of `phase`, where there are several. */
  setLearningRate(value: number, phase?: string): void {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new ValueError(`trainer: the learning rate must be a number of at least 0, got ${value}`);
    }
    this.write(this.#rateOf(phase), Float64Array.of(value));
  }

  /**
   * Takes everything over from the bytes of a checkpoint. Give the result to `fit` as `resume`, and it continues with the same
   * bits. Rejects with a FormatError on a damaged file, with a MismatchError on one of another model, optimizer or batch size,
   * with a BusyError while a fit is under way, and then changes nothing.
   */
  async restore(bytes: Uint8Array, file = "checkpoint"): Promise<FitState> {
    return this.lock.run(async () => {
      const { loadCheckpoint } = await import("../state/checkpoint.ts");
      const { values, state, notes } = loadCheckpoint(bytes, this.states, this.options, file);
      this.checkLoad(file, state.step, true);
      for (const [tensor, data] of values) this.write(tensor, data);
      this.values.moveTo(state.step);
      this.runId = state.run ?? this.runId;
      for (const note of notes) this.notice(note);
      return state;
    });
  }

  /** Throws BusyError where a file of step `step` must not be loaded now, ClosedError where the device is closed. */
  protected checkLoad(file: string, step: number, wholeRun = false): void {
    this.values.checkOpen();
    this.lock.checkLoad(file, step, this.steps, wholeRun);
  }

  /** States after all steps so far. */
  protected async read(tensors: readonly Tensor[]): Promise<Map<Tensor, Data>> {
    this.checkUsable();
    return this.values.recoverAll(tensors, this.steps);
  }

  protected write(tensor: Tensor, data: Data): void {
    this.checkUsable();
    this.values.write(tensor, data);
  }

  /**
   * Frees what this trainer has on the device: its programs, also those of `compile`, optimizer states, data sets, and parameters
   * that no other program uses. Values as of the last step of `fit`, or written since, stay in host memory for the program that
   * trains the same model next. Any use afterwards throws ClosedError; a `fit` under way rejects with it.
   */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.programs.destroy();
    this.values.release(this.values.all);
  }

  /** `destroy`, for `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }

  /** `destroy`, once what was started is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.backend.isLost && !this.backend.closed) await this.backend.finished?.();
    this.destroy();
  }

  /** Throws ClosedError after `destroy`. */
  protected checkUsable(): void {
    if (this.#destroyed) throw new ClosedError("trainer: was destroyed; create another one");
  }
}
