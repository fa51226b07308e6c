/**
 * The training loop: epochs of submits, events on the way, evaluations, early stopping, checkpoints. A lost device is
 * replaced and training goes on from the last save point. Where to go next follows from the step counter and the records
 * alone, so that a run taken up again does what the stopped one would have done.
 */

import { DeviceLostError, GraphError, ValueError } from "../../common/errors.ts";
import type { TrainingData } from "../../data/sharded.ts";
import { Totals } from "../metrics/accumulator.ts";
import { checkFinite } from "../metrics/divergence.ts";
import type { Checkpointer } from "../state/checkpoint-folder.ts";
import type { RunIdentity } from "../state/fit-record.ts";
import { type FitState, MOST_STEPS } from "../state/fit-record.ts";
import { MOST_LOSSES, type Recovered } from "../state/recovery.ts";
import type { TrainProgram } from "../step/program-source.ts";
import type { EarlyStopping, Weights } from "./early-stopping.ts";
import { type EpochPlan, EpochRun, type SavePoint } from "./epoch.ts";
import type { EpochRecord, EvaluationRecord, History, Metrics, TrainEvent } from "./events.ts";
import type { Progress } from "./fit.ts";
import type { FitOptions } from "./options.ts";
import { checkPosition } from "./run-plan.ts";
import type { Snapshot, TrainerCore } from "./trainer-core.ts";

/** Trains `trainer` on `train`, and keeps `progress` up to date; yields what happens, returns what is left of it. */
export async function* fit(
  trainer: TrainerCore,
  train: TrainingData,
  options: FitOptions,
  progress: Progress,
): AsyncGenerator<TrainEvent, History> {
  const recovered: Recovered[] = [];
  const before = trainer.hearRecoveries((event) => recovered.push(event));
  try {
    return yield* fitHearing(trainer, train, options, progress, recovered);
  } finally {
    trainer.hearRecoveries(before);
  }
}

/** `recovered`: gets each replaced device. */
async function* fitHearing(
  trainer: TrainerCore,
  train: TrainingData,
  options: FitOptions,
  progress: Progress,
  recovered: Recovered[],
): AsyncGenerator<TrainEvent, History> {
  const { checkpoints, resume: resumed } = options;
  const identity =
    checkpoints === undefined && resumed === undefined ? undefined : await identify(trainer, train, resumed);
  const program = await trainer.trainProgram(train, options.validation);
  // Before anything is counted from the trainer's step, which a device lost meanwhile may put back.
  const snapshot = await trainer.snapshot(trainer.steps);
  const run = new TrainingRun(trainer, train, options, program, snapshot, recovered, identity);
  progress.history = () => run.history();
  const { earlyStopping, resume } = options;
  if (earlyStopping !== undefined) {
    const { EarlyStopping } = await import("./early-stopping.ts");
    run.early = new EarlyStopping(earlyStopping, resume?.early, resume?.bestWeights);
  }
  if (options.checkpoints !== undefined) {
    const { Checkpointer } = await import("../state/checkpoint-folder.ts");
    run.checkpointer = await Checkpointer.open(trainer, options.checkpoints);
  }
  try {
    return yield* run.events();
  } finally {
    await run.checkpointer?.close();
  }
}

/** What the run is of. Throws MismatchError where that is not what a run was of that is resumed. */
async function identify(
  trainer: TrainerCore,
  train: TrainingData,
  resume: FitState | undefined,
): Promise<RunIdentity> {
  const { compareData, compareIdentities, identityOf, identityOfData } = await import("../state/identity.ts");
  const identity = { ...identityOf(trainer.options), data: await identityOfData(train) };
  if (resume?.identity === undefined) return identity;
  compareIdentities("fit: resume", resume.identity, identity);
  compareData(resume.identity.data, identity.data);
  // The seed that counts is the one that the run began with.
  const { seed } = resume.identity;
  return { ...identity, ...(seed === undefined ? {} : { seed }) };
}

class TrainingRun {
  checkpointer: Checkpointer | undefined;
  early: EarlyStopping | undefined;
  readonly #epochs: EpochRecord[];
  readonly #evaluations: EvaluationRecord[];
  readonly #begin: number;
  readonly #end: number;
  readonly #resumed: FitState | undefined;
  #epochCount = 1;
  #evaluatedAt: number;
  #stopped: string | undefined;

  constructor(
    readonly trainer: TrainerCore,
    readonly train: TrainingData,
    readonly options: FitOptions,
    readonly program: TrainProgram,
    readonly first: Snapshot,
    readonly recovered: Recovered[],
    readonly identity: RunIdentity | undefined,
  ) {
    const { resume, epochs, steps } = options;
    if (resume !== undefined && resume.step !== trainer.steps) {
      throw new ValueError(
        `fit: \`resume\` is of step ${resume.step}, the trainer stands at ${trainer.steps}; load that checkpoint first`,
      );
    }
    this.#resumed = resume;
    this.#begin = resume?.begin ?? trainer.steps;
    this.#end =
      steps === undefined
        ? this.#aligned(this.#begin) + (epochs ?? 0) * program.stepsPerEpoch
        : this.#begin + steps;
    this.#epochs = [...(resume?.epochs ?? [])];
    this.#evaluations = [...(resume?.evaluations ?? [])];
    this.#evaluatedAt = resume?.evaluatedAt ?? this.#begin;
    this.#stopped = resume?.stopped;
    const trains = `${train.count} samples in batches of ${trainer.options.batchSize}`;
    const { stepsPerEpoch } = program;
    const told = { begin: this.#begin, end: this.#end, stepsPerEpoch, trains, trained: trainer.trained };
    const note = checkPosition({ ...told, steps: trainer.steps, resume });
    if (note !== undefined) trainer.notice(note);
    trainer.trained = trains;
  }

  async *events(): AsyncGenerator<TrainEvent, History> {
    const { trainer, program, train } = this;
    const { stepsPerEpoch, layout } = program;
    const { parameterCount: parameters } = trainer;
    const totals =
      this.#resumed === undefined ? new Totals(layout) : Totals.from(layout, this.#resumed.totals);
    const epochs = this.#epochs.length + this.#epochsLeft(trainer.steps, totals.steps);
    this.#epochCount = epochs;
    yield { event: "start", epochs, stepsPerEpoch, samples: train.count, parameters };
    yield* this.#told();
    let point: SavePoint = {
      snapshot: this.first,
      totals,
      seconds: this.#resumed?.seconds ?? 0,
    };
    while (this.#epochs.length < epochs && !this.#over) {
      const plan = this.#plan(point);
      const run = new EpochRun(trainer, train, await this.#upToDate(point), plan, this.options, {
        due: () => this.checkpointer?.dueByTime === true,
        keep: (reached) => this.#keep(reached),
      });
      yield* this.#epoch(run);
      // An epoch that was broken off goes on in the next run.
      if (!this.#over && this.#epochs.length < plan.epoch)
        throw new GraphError(`fit: epoch ${plan.epoch} did not end`);
      if (this.#epochs.length < plan.epoch) point = run.saved;
      else point = { snapshot: run.saved.snapshot, totals: new Totals(layout), seconds: 0 };
      yield* this.#told();
      const done = this.#over || this.#epochs.length === epochs;
      if (done || this.checkpointer?.dueByEpoch(plan.epoch)) await this.#keep(await this.#upToDate(point));
    }
    if (!this.#aborted && this.early?.weights !== undefined) trainer.setWeights(this.early.weights);
    yield* this.#told();
    const history = this.history();
    yield { event: "end", history };
    return history;
  }

  /** One epoch with all that belongs to it, however often the device is lost. */
  async *#epoch(run: EpochRun): AsyncGenerator<TrainEvent> {
    for (let losses = 0; ; ) {
      const { position } = run.saved.snapshot;
      try {
        return yield* this.#advance(run);
      } catch (error) {
        losses = run.saved.snapshot.position > position ? 1 : losses + 1;
        if (!(error instanceof DeviceLostError) || losses > MOST_LOSSES) throw error;
        await this.trainer.recover(run.saved.snapshot, error);
        yield* this.#told();
      }
    }
  }

  /** From stop to stop until the epoch or the run is over. Every stop is further than the one before. */
  async *#advance(run: EpochRun): AsyncGenerator<TrainEvent> {
    const { trainer } = this;
    const { epoch, end } = run.plan;
    for (let position = trainer.steps; ; ) {
      if (!(position <= end))
        throw new GraphError(`fit: epoch ${epoch} ends at step ${end}, not ${position}`);
      const until = this.#evaluationDue(position) ? position : this.#nextStop(position, end);
      if (position < until) yield* run.events(until, () => this.#aborted);
      if (this.#aborted) return;
      if (trainer.steps !== until) {
        throw new GraphError(`fit: the trainer stands at step ${trainer.steps}, trained to ${until}`);
      }
      if (this.#evaluationDue(until)) {
        const val = await this.#validate();
        yield* this.#told();
        if (val === undefined) return;
        this.#evaluatedAt = until;
        const record = { epoch, step: until, ...ofValidation(val) };
        this.#evaluations.push(record);
        if (this.#judgesEvaluations) this.#judge(record, run);
        yield { event: "evaluation", ...record };
      }
      if (until === end) {
        yield* this.#finish(run);
        return;
      }
      if (this.checkpointer?.dueByStep(until)) await this.#keep(await this.#upToDate(run.saved));
      if (this.#over) return;
      position = until;
    }
  }

  /** The end of an epoch: its evaluation and its record. */
  async *#finish(run: EpochRun): AsyncGenerator<TrainEvent> {
    const latest = this.#evaluatedAt === this.trainer.steps ? this.#evaluations.at(-1)?.val : undefined;
    const val = latest ?? (await this.#validate());
    yield* this.#told();
    if (val === undefined && this.options.validation !== undefined) return;
    const record = { epoch: run.plan.epoch, ...run.result(), ...ofValidation(val) };
    this.#epochs.push(record);
    if (!this.#judgesEvaluations) this.#judge(record, run);
    yield { event: "epoch", ...record };
  }

  /** Tells of devices that were replaced since it was last called. */
  *#told(): Generator<TrainEvent> {
    const epoch = Math.max(1, Math.min(this.#epochs.length + 1, this.#epochCount));
    for (const event of this.recovered.splice(0)) yield { event: "recovered", epoch, ...event };
  }

  #judge(record: EpochRecord | EvaluationRecord, run: EpochRun): void {
    const weights = (): Weights => this.trainer.weightsOf(run.saved.snapshot);
    this.#stopped ??= this.early?.observe(record, this.trainer.steps, weights);
  }

  /** Metrics of the validation set; none without such a set, or when the run is aborted meanwhile. */
  async #validate(): Promise<Metrics | undefined> {
    const { validation, signal, evaluateAverages: average = false } = this.options;
    if (validation === undefined) return undefined;
    try {
      return await this.trainer.measure(validation, {
        average,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (error !== signal?.reason) throw error;
      return undefined;
    }
  }

  async #keep(point: SavePoint): Promise<void> {
    if (this.checkpointer === undefined) return;
    const { totals, seconds, snapshot } = point;
    checkFinite(this.trainer, snapshot.values, snapshot.position);
    const record = {
      begin: this.#begin,
      epochs: this.#epochs,
      evaluations: this.#evaluations,
      evaluatedAt: this.#evaluatedAt,
      totals: totals.state(),
      seconds,
      end: this.#end,
      ...(this.identity === undefined ? {} : { identity: this.identity }),
      ...(this.early === undefined ? {} : { early: this.early.state }),
      ...(this.#stopped === undefined ? {} : { stopped: this.#stopped }),
    };
    await this.checkpointer.keep(snapshot, record, this.early?.weights);
  }

  /** The point with states as they are now, where a listener changed some. */
  async #upToDate(point: SavePoint): Promise<SavePoint> {
    if (this.trainer.isCurrent(point.snapshot)) return point;
    return { ...point, snapshot: await this.trainer.snapshot(this.trainer.steps) };
  }

  /** The next step to stop at after `position`, at the end of the epoch at the latest. */
  #nextStop(position: number, epochEnd: number): number {
    const next = (every: number | undefined) =>
      every === undefined ? epochEnd : position + every - (position % every);
    if (position >= MOST_STEPS) throw new ValueError(`fit: a run has at most ${MOST_STEPS} steps`);
    return Math.min(
      epochEnd,
      MOST_STEPS,
      next(this.options.evaluateEvery),
      next(this.options.checkpoints?.everySteps),
    );
  }

  #evaluationDue(position: number): boolean {
    const { evaluateEvery, validation } = this.options;
    return (
      evaluateEvery !== undefined &&
      validation !== undefined &&
      position % evaluateEvery === 0 &&
      position > this.#evaluatedAt
    );
  }

  get #judgesEvaluations(): boolean {
    return this.options.evaluateEvery !== undefined && this.early?.monitor.startsWith("val") === true;
  }

  get #aborted(): boolean {
    return this.options.signal?.aborted === true;
  }

  get #over(): boolean {
    return this.#aborted || this.#stopped !== undefined;
  }

  /** The step at or before `step` at which the data begin anew. */
  #aligned(step: number): number {
    return step - (step % this.program.stepsPerEpoch);
  }

  /** Epochs that are to be trained from a step on at which `done` steps of the first of them are done. */
  #epochsLeft(position: number, done: number): number {
    // Also where all of its steps are done, and only its evaluation is not.
    if (position > this.#end || (position === this.#end && done === 0)) return 0;
    return Math.ceil((this.#end - this.#aligned(position - done)) / this.program.stepsPerEpoch);
  }

  /**
   * The epoch that follows from a save point. It begins with the data, or in the middle of them where the run did: a run
   * that was stopped in the middle of an epoch first finishes that.
   */
  #plan({ snapshot: { position }, totals }: SavePoint): EpochPlan {
    const begin = position - totals.steps;
    const aligned = this.#aligned(begin);
    const end = Math.min(aligned + this.program.stepsPerEpoch, this.#end);
    return { epoch: this.#epochs.length + 1, aligned, begin, end, runEnd: this.#end };
  }

  history(): History {
    const best = this.early?.best;
    return {
      epochs: this.#epochs,
      ...(this.#evaluations.length > 0 ? { evaluations: this.#evaluations } : {}),
      ...(best === undefined ? {} : { best }),
      ...(this.#stopped === undefined ? {} : { stopped: this.#stopped }),
      aborted: this.#aborted,
    };
  }
}

function ofValidation(val: Metrics): Pick<EvaluationRecord, "val" | "valLoss" | "valAccuracy">;
function ofValidation(val: Metrics | undefined): Pick<EpochRecord, "val" | "valLoss" | "valAccuracy">;
function ofValidation(val: Metrics | undefined): Pick<EpochRecord, "val" | "valLoss" | "valAccuracy"> {
  if (val === undefined) return {};
  return {
    val,
    valLoss: val.loss,
    ...(val.accuracy === undefined ? {} : { valAccuracy: val.accuracy }),
  };
}
