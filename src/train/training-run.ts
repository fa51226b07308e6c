/**
 * The training loop: epochs of submits, events on the way, evaluations, early stopping, checkpoints. A lost device is
 * replaced and training goes on from the last save point. Where to go next follows from the step counter and the records
 * alone, so that a run taken up again does what the stopped one would have done.
 */
import type { TrainingData } from "../data/sharded.ts";
import { DeviceLostError, ValueError } from "../errors.ts";
import type { AnyTrainer, Snapshot } from "./any-trainer.ts";
import type { Checkpointer } from "./checkpointer.ts";
import type { EarlyStopping, Weights } from "./early-stopping.ts";
import { type EpochPlan, EpochRun, type SavePoint } from "./epoch.ts";
import type { EpochRecord, EvaluationRecord, History, Metrics, TrainEvent } from "./events.ts";
import type { FitOptions } from "./options.ts";
import { MOST_LOSSES, type Recovered } from "./recovery.ts";
import type { TrainProgram } from "./run-programs.ts";
import type { FitState } from "./run-state.ts";
import { Totals } from "./totals.ts";

/** Trains `trainer` on `train`; yields what happens, returns what is left of it. */
export async function* fit(
  trainer: AnyTrainer,
  train: TrainingData,
  options: FitOptions,
): AsyncGenerator<TrainEvent, History> {
  const recovered: Recovered[] = [];
  const before = trainer.hearRecoveries((event) => recovered.push(event));
  try {
    return yield* fitHearing(trainer, train, options, recovered);
  } finally {
    trainer.hearRecoveries(before);
  }
}

/** `recovered`: gets each replaced device. */
async function* fitHearing(
  trainer: AnyTrainer,
  train: TrainingData,
  options: FitOptions,
  recovered: Recovered[],
): AsyncGenerator<TrainEvent, History> {
  const program = await trainer.trainProgram(train);
  // Before anything is counted from the trainer's step, which a device lost meanwhile may put back.
  const snapshot = await trainer.snapshot(trainer.steps);
  const run = new TrainingRun(trainer, train, options, program, snapshot, recovered);
  const { earlyStopping, resume } = options;
  if (earlyStopping !== undefined) {
    const { EarlyStopping } = await import("./early-stopping.ts");
    run.early = new EarlyStopping(earlyStopping, resume?.early, resume?.bestWeights);
  }
  if (options.checkpoints !== undefined) {
    const { Checkpointer } = await import("./checkpointer.ts");
    run.checkpointer = await Checkpointer.open(trainer, options.checkpoints);
  }
  try {
    return yield* run.events();
  } finally {
    await run.checkpointer?.close();
  }
}

class TrainingRun {
  checkpointer: Checkpointer | undefined;
  early: EarlyStopping | undefined;
  readonly #epochs: EpochRecord[];
  readonly #evaluations: EvaluationRecord[];
  readonly #begin: number;
  readonly #end: number;
  readonly #resumed: FitState | undefined;
  #evaluatedAt: number;
  #stopped: string | undefined;

  constructor(
    readonly trainer: AnyTrainer,
    readonly train: TrainingData,
    readonly options: FitOptions,
    readonly program: TrainProgram,
    readonly first: Snapshot,
    readonly recovered: Recovered[],
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
      steps === undefined ? this.#aligned(1) + (epochs ?? 0) * program.stepsPerEpoch : this.#begin + steps;
    this.#epochs = [...(resume?.epochs ?? [])];
    this.#evaluations = [...(resume?.evaluations ?? [])];
    this.#evaluatedAt = resume?.evaluatedAt ?? this.#begin;
    this.#stopped = resume?.stopped;
  }

  async *events(): AsyncGenerator<TrainEvent, History> {
    const { trainer, program, train } = this;
    const { stepsPerEpoch, layout } = program;
    const epochs = this.#epochCount;
    const { parameterCount: parameters } = trainer;
    yield { event: "start", epochs, stepsPerEpoch, samples: train.count, parameters };
    yield* this.#told();
    let point: SavePoint = {
      snapshot: this.first,
      totals: this.#resumed === undefined ? new Totals(layout) : Totals.from(layout, this.#resumed.totals),
      seconds: this.#resumed?.seconds ?? 0,
    };
    while (this.#epochs.length < epochs && !this.#over) {
      const plan = this.#plan(this.#epochs.length + 1);
      const run = new EpochRun(trainer, train, await this.#upToDate(point), plan, this.options, {
        due: () => this.checkpointer?.dueByTime === true,
        keep: (reached) => this.#keep(reached),
      });
      yield* this.#epoch(run);
      // An epoch that was broken off goes on in the next run.
      if (this.#epochs.length < plan.epoch) point = run.saved;
      else point = { snapshot: run.saved.snapshot, totals: new Totals(layout), seconds: 0 };
      yield* this.#told();
      const done = this.#over || this.#epochs.length === epochs;
      if (done || this.checkpointer?.dueByEpoch(plan.epoch)) await this.#keep(await this.#upToDate(point));
    }
    if (!this.#aborted && this.early?.weights !== undefined) trainer.setWeights(this.early.weights);
    yield* this.#told();
    const history = this.#history();
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

  /** From stop to stop until the epoch or the run is over. */
  async *#advance(run: EpochRun): AsyncGenerator<TrainEvent> {
    const { trainer } = this;
    const { epoch, end } = run.plan;
    for (;;) {
      const until = this.#nextStop(trainer.steps, end);
      if (trainer.steps < until) yield* run.events(until, () => this.#aborted);
      if (this.#aborted) return;
      if (this.#evaluationDue(trainer.steps)) {
        const val = await this.#validate();
        yield* this.#told();
        if (val === undefined) return;
        this.#evaluatedAt = trainer.steps;
        const record = { epoch, step: trainer.steps, ...ofValidation(val) };
        this.#evaluations.push(record);
        if (this.#judgesEvaluations) this.#judge(record, run);
        yield { event: "evaluation", ...record };
      }
      if (trainer.steps === end) {
        yield* this.#finish(run);
        return;
      }
      if (this.checkpointer?.dueByStep(trainer.steps)) await this.#keep(await this.#upToDate(run.saved));
      if (this.#over) return;
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

  get #epochCount(): number {
    return Math.ceil((this.#end - this.#aligned(1)) / this.program.stepsPerEpoch);
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
      return await this.trainer.evaluate(validation, {
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
    const record = {
      begin: this.#begin,
      epochs: this.#epochs,
      evaluations: this.#evaluations,
      evaluatedAt: this.#evaluatedAt,
      totals: totals.state(),
      seconds,
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

  #nextStop(position: number, epochEnd: number): number {
    if (this.#evaluationDue(position)) return position;
    const next = (every: number | undefined) =>
      every === undefined ? epochEnd : position + every - (position % every);
    return Math.min(epochEnd, next(this.options.evaluateEvery), next(this.options.checkpoints?.everySteps));
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

  /** Step at which the data of an epoch begin; a run that was stopped in the middle of an epoch first finishes that. */
  #aligned(epoch: number): number {
    const { stepsPerEpoch } = this.program;
    return this.#begin - (this.#begin % stepsPerEpoch) + (epoch - 1) * stepsPerEpoch;
  }

  #plan(epoch: number): EpochPlan {
    const aligned = this.#aligned(epoch);
    return {
      epoch,
      aligned,
      begin: Math.max(aligned, this.#begin),
      end: Math.min(this.#aligned(epoch + 1), this.#end),
      runEnd: this.#end,
    };
  }

  #history(): History {
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
