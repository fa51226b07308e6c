/** The trainer of a model: its programs are traced from a loss or a step function, and an optimizer. */

import { type Backend, checkDevice } from "../../runtime/backend.ts";
import { checkOptions, notAwaited } from "../../validation/options.ts";
import { readUserBatch, type UserBatch } from "../input/user-batch.ts";
import { DeviceStates } from "../state/device-states.ts";
import { describeRun } from "../step/describe-step.ts";
import type { ColumnsFunction } from "../step/phase.ts";
import { type CompiledProgram, TracedPrograms } from "../step/traced-programs.ts";
import { AnyTrainer } from "./any-trainer.ts";
import type { TrainMetrics } from "./events.ts";
import { type AnyTrainerOptions, checkTrainerOptions, checkWhole } from "./options.ts";

/** Time between snapshots: the steps that are lost with a device. */
const SAVE_MILLISECONDS = 10_000;

/** Those that people call on the promise of a trainer. */
const METHODS = [
  ...["fit", "step", "evaluate", "save", "load", "compile", "profile", "describe", "destroy", "parameter"],
  ...["setLearningRate", "toSafetensors", "fromSafetensors", "withAverages"],
];

export interface StepCallOptions {
  /** Most samples of such a batch. Default: the batch size. */
  readonly capacity?: number;
}

/** `Model` is only a type: with it, predictors of this trainer know what the model gives. */
export class Trainer<Model = unknown> extends AnyTrainer {
  declare protected readonly modelType?: Model;
  readonly #traced: TracedPrograms;
  #savedAt = Number.NEGATIVE_INFINITY;

  private constructor(
    backend: Backend,
    override readonly options: AnyTrainerOptions,
  ) {
    const parts = partsOf(backend, options);
    super(options, parts);
    this.#traced = parts.programs;
  }

  /** Throws ValueError on a batch size or seed that is no whole number, and on a model without parameters. */
  static create<Model>(
    backend: Backend,
    options: AnyTrainerOptions & { readonly model?: Model },
  ): Promise<Trainer<Model>>;
  static create<Model>(
    backend: Backend,
    options: AnyTrainerOptions<ColumnsFunction> & { readonly model?: Model },
  ): Promise<Trainer<Model>>;
  static create(backend: Backend, options: AnyTrainerOptions<ColumnsFunction>): Promise<Trainer> {
    const create = async () => new Trainer(backend, options as AnyTrainerOptions);
    return notAwaited(create(), "Trainer.create", METHODS);
  }

  /**
   * Takes one training step on a batch of the caller's own: any number of samples up to `capacity`, which is padded with samples
   * of weight 0. Resolves with the metrics of the step, those of the option `metrics` aside. A program is compiled for each
   * combination of columns, dtypes, shapes and capacity: see `describe`. After a lost device the run goes on from its latest
   * snapshot, at most ten seconds old. Rejects with ValueError or DataError on what is no such batch, BusyError during a fit.
   */
  async step(batch: UserBatch, options: StepCallOptions = {}): Promise<TrainMetrics> {
    const given = checkOptions("step", options, { capacity: "number" });
    checkWhole("step", given, { capacity: 1 });
    const { capacity = this.options.batchSize } = given;
    const samples = readUserBatch("step", batch, capacity);
    this.lock.checkStep();
    return this.lock.run(() =>
      this.survive(async () => {
        const program = await this.#traced.batches(capacity, samples);
        if (performance.now() - this.#savedAt > SAVE_MILLISECONDS) {
          await this.snapshot(this.steps);
          this.#savedAt = performance.now();
        }
        program.tensors.write(this.backend, samples);
        this.trained = "batches given to step";
        return this.stepOnce(program);
      }),
    );
  }

  /** The programs for data sets and batches that are compiled now, each with its dispatches and bytes. */
  describe(): readonly CompiledProgram[] {
    return this.#traced.describe();
  }
}

function partsOf(backend: Backend, options: AnyTrainerOptions) {
  checkDevice("Trainer.create", backend);
  checkTrainerOptions(options);
  const run = describeRun(options);
  const { states, drawn } = run;
  const values = new DeviceStates(backend, options.seed ?? 0, states);
  // Parameters that have been trained or loaded on this device keep their values.
  drawn.forEach((t, i) => {
    values.initialise(t, i);
  });
  return { values, states, programs: new TracedPrograms(options, values, run) };
}
