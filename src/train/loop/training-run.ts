/**
 * The training loop: epochs, evaluations, early stopping and checkpoints, with events on the way. A lost device is replaced,
 * and training continues from the last save point.
 */

import { isSharded, type TrainingData } from "../../data/sharded.ts";
import { DeviceLostError, GraphError } from "../../validation/errors.ts";
import { MetricAccumulator } from "../metrics/accumulator.ts";
import { checkFinite } from "../metrics/divergence.ts";
import type { CheckpointFolder } from "../state/checkpoint-folder.ts";
import { MOST_LOSSES, type Recovered, type Snapshot } from "../state/device-states.ts";
import type { FitRecord, RunIdentity } from "../state/fit-record.ts";
import type { TrainProgram } from "../step/program-source.ts";
import { EarlyStopping } from "./early-stopping.ts";
import { EpochRun, type SavePoint } from "./epoch.ts";
import type { EpochRecord, EvaluationRecord, History, Metrics, TrainEvent } from "./events.ts";
import type { Progress } from "./fit.ts";
import type { FitOptions } from "./options.ts";
import { RunPlan } from "./run-plan.ts";
import type { TrainerCore } from "./trainer-core.ts";

/** Trains `trainer` on `train`. Yields events, returns the history, and gives `progress` access to it before the end. */
export async function* fit(
  trainer: TrainerCore,
  train: TrainingData,
  options: FitOptions,
  progress: Progress,
): AsyncGenerator<TrainEvent, History> {
  const recovered: Recovered[] = [];
  const before = trainer.hearRecoveries((event) => recovered.push(event));
  let folder: CheckpointFolder | undefined;
  try {
    const { checkpoints, resume, validation } = options;
    const identity =
      checkpoints === undefined && resume === undefined ? undefined : await identify(trainer, train, options);
    const program = await trainer.trainProgram(train, validation);
    // Before the trainer's step is used, to which a device lost meanwhile may put the run back.
    const snapshot = await trainer.snapshot(trainer.steps);
    const run = new TrainingRun(trainer, train, options, program, recovered, identity);
    progress.history = () => run.history();
    if (checkpoints !== undefined) {
      const { CheckpointFolder } = await import("../state/checkpoint-folder.ts");
      folder = await CheckpointFolder.open(trainer, checkpoints);
      run.folder = folder;
    }
    return yield* run.events(snapshot);
  } finally {
    await folder?.close();
    trainer.hearRecoveries(before);
    if (isSharded(train)) await train.close?.();
  }
}

/** What the run consists of. Throws MismatchError where a run to be resumed consists of something else. */
async function identify(
  trainer: TrainerCore,
  train: TrainingData,
  { resume }: FitOptions,
): Promise<RunIdentity> {
  const { compareData, compareIdentities, identityOf, identityOfData } = await import("../state/identity.ts");
  const identity = { ...identityOf(trainer.options), data: await identityOfData(train) };
  if (resume?.identity === undefined) return identity;
  compareIdentities("fit: resume", resume.identity, identity);
  compareData(resume.identity.data, identity.data);
  // A resumed run keeps the seed that it began with.
  const { seed } = resume.identity;
  return { ...identity, ...(seed === undefined ? {} : { seed }) };
}

class TrainingRun {
  folder: CheckpointFolder | undefined;
  readonly #plan: RunPlan;
  readonly #early: EarlyStopping | undefined;
  readonly #epochs: EpochRecord[];
  readonly #evaluations: EvaluationRecord[];
  #epochCount = 1;
  #evaluatedAt: number;
  #stopped: string | undefined;

  constructor(
    readonly trainer: TrainerCore,
    readonly train: TrainingData,
    readonly options: FitOptions,
    readonly program: TrainProgram,
    readonly recovered: Recovered[],
    readonly identity: RunIdentity | undefined,
  ) {
    const { resume, earlyStopping } = options;
    this.#plan = new RunPlan(options, trainer.steps, program.stepsPerEpoch);
    this.#epochs = [...(resume?.epochs ?? [])];
    this.#evaluations = [...(resume?.evaluations ?? [])];
    this.#evaluatedAt = resume?.evaluatedAt ?? this.#plan.begin;
    this.#stopped = resume?.stopped;
    const trains = `${train.count} samples in batches of ${trainer.options.batchSize}`;
    const note = this.#plan.check(resume, trains, trainer.trained);
    if (note !== undefined) trainer.notice(note);
    trainer.trained = trains;
    if (earlyStopping !== undefined)
      this.#early = new EarlyStopping(earlyStopping, resume?.early, resume?.bestWeights);
  }

  /** `first`: the run's states as it begins. */
  async *events(first: Snapshot): AsyncGenerator<TrainEvent, History> {
    const { trainer, train } = this;
    const { stepsPerEpoch, rings } = this.program;
    const { resume } = this.options;
    const { parameterCount: parameters } = trainer;
    const metrics =
      resume === undefined ? new MetricAccumulator(rings) : MetricAccumulator.from(rings, resume.totals);
    const epochs = this.#epochs.length + this.#plan.epochsLeft(trainer.steps, metrics.steps);
    this.#epochCount = epochs;
    yield { event: "start", epochs, stepsPerEpoch, samples: train.count, parameters };
    yield* this.#recoveries();
    let point: SavePoint = { snapshot: first, metrics, seconds: resume?.seconds ?? 0 };
    while (this.#epochs.length < epochs && !this.#over) {
      const number = this.#epochs.length + 1;
      const plan = this.#plan.epoch(number, point.snapshot.position, point.metrics.steps);
      const run = new EpochRun(trainer, train, await this.#upToDate(point), plan, this.options, {
        due: () => this.folder?.dueByTime === true,
        write: (reached) => this.#writeCheckpoint(reached),
      });
      yield* this.#epoch(run);
      // An epoch that the run left early is continued when the run is resumed.
      const isDone = this.#epochs.length === number;
      if (!this.#over && !isDone) throw new GraphError(`fit: epoch ${number} did not end`);
      point = isDone
        ? { snapshot: run.saved.snapshot, metrics: new MetricAccumulator(rings), seconds: 0 }
        : run.saved;
      yield* this.#recoveries();
      const isLast = this.#over || number === epochs;
      if (isLast || this.folder?.dueByEpoch(number)) await this.#writeCheckpoint(await this.#upToDate(point));
    }
    if (!this.#aborted && this.#early?.weights !== undefined) trainer.setWeights(this.#early.weights);
    yield* this.#recoveries();
    const history = this.history();
    yield { event: "end", history };
    return history;
  }

  /** An epoch and its evaluations; begins again from its save point whenever the device is lost. */
  async *#epoch(run: EpochRun): AsyncGenerator<TrainEvent> {
    for (let losses = 0; ; ) {
      const { position } = run.saved.snapshot;
      try {
        return yield* this.#advance(run);
      } catch (error) {
        losses = run.saved.snapshot.position > position ? 1 : losses + 1;
        if (!(error instanceof DeviceLostError) || losses > MOST_LOSSES) throw error;
        await this.trainer.recover(run.saved.snapshot, error);
        yield* this.#recoveries();
      }
    }
  }

  /** Trains from stop to stop, for evaluations and checkpoints, until the epoch or the run is over. */
  async *#advance(run: EpochRun): AsyncGenerator<TrainEvent> {
    const { trainer } = this;
    const { epoch, end } = run.plan;
    for (let position = trainer.steps; ; ) {
      if (position > end) throw new GraphError(`fit: epoch ${epoch} ends at step ${end}, not ${position}`);
      const until = this.#evaluationDue(position) ? position : this.#plan.nextStop(position, end);
      if (position < until) yield* run.events(until, () => this.#aborted);
      if (this.#aborted) return;
      if (trainer.steps !== until) {
        throw new GraphError(`fit: the trainer stands at step ${trainer.steps}, but trained to ${until}`);
      }
      if (this.#evaluationDue(until)) {
        const val = await this.#validate();
        yield* this.#recoveries();
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
      if (this.folder?.dueByStep(until)) await this.#writeCheckpoint(await this.#upToDate(run.saved));
      if (this.#over) return;
      position = until;
    }
  }

  /** The end of an epoch: its evaluation and its record. */
  async *#finish(run: EpochRun): AsyncGenerator<TrainEvent> {
    const latest = this.#evaluatedAt === this.trainer.steps ? this.#evaluations.at(-1)?.val : undefined;
    const val = latest ?? (await this.#validate());
    yield* this.#recoveries();
    if (val === undefined && this.options.validation !== undefined) return;
    const record = { epoch: run.plan.epoch, ...run.result(), ...(val && ofValidation(val)) };
    this.#epochs.push(record);
    if (!this.#judgesEvaluations) this.#judge(record, run);
    yield { event: "epoch", ...record };
  }

  /** Events for devices that were replaced since the last call. */
  *#recoveries(): Generator<TrainEvent> {
    const epoch = Math.max(1, Math.min(this.#epochs.length + 1, this.#epochCount));
    for (const event of this.recovered.splice(0)) yield { event: "recovered", epoch, ...event };
  }

  #judge(record: EpochRecord | EvaluationRecord, run: EpochRun): void {
    const weights = () => this.trainer.weightsOf(run.saved.snapshot);
    this.#stopped ??= this.#early?.observe(record, this.trainer.steps, weights);
  }

  /** Metrics of the validation set; undefined without such a set, or when the run is aborted meanwhile. */
  async #validate(): Promise<Metrics | undefined> {
    const { validation, signal, evaluateAverages: average = false } = this.options;
    if (validation === undefined) return undefined;
    try {
      return await this.trainer.measure(validation, { average, ...(signal && { signal }) });
    } catch (error) {
      if (error !== signal?.reason) throw error;
      return undefined;
    }
  }

  async #writeCheckpoint({ metrics, seconds, snapshot }: SavePoint): Promise<void> {
    if (this.folder === undefined) return;
    checkFinite(this.trainer, snapshot.values, snapshot.position);
    const record: FitRecord = {
      begin: this.#plan.begin,
      epochs: this.#epochs,
      evaluations: this.#evaluations,
      evaluatedAt: this.#evaluatedAt,
      totals: metrics.state(),
      seconds,
      end: this.#plan.end,
      ...(this.identity && { identity: this.identity }),
      ...(this.#early && { early: this.#early.state }),
      ...(this.#stopped !== undefined && { stopped: this.#stopped }),
    };
    await this.folder.write(snapshot, record, this.#early?.weights);
  }

  /** `point` with the states as they are now, where a listener changed some. */
  async #upToDate(point: SavePoint): Promise<SavePoint> {
    if (this.trainer.values.isCurrent(point.snapshot)) return point;
    return { ...point, snapshot: await this.trainer.snapshot(this.trainer.steps) };
  }

  #evaluationDue(position: number): boolean {
    const { evaluateEvery, validation } = this.options;
    if (evaluateEvery === undefined || validation === undefined) return false;
    return position % evaluateEvery === 0 && position > this.#evaluatedAt;
  }

  /** Whether early stopping goes by evaluations and not by epochs. */
  get #judgesEvaluations(): boolean {
    return this.options.evaluateEvery !== undefined && this.#early?.monitor.startsWith("val") === true;
  }

  get #aborted(): boolean {
    return this.options.signal?.aborted === true;
  }

  get #over(): boolean {
    return this.#aborted || this.#stopped !== undefined;
  }

  history(): History {
    const best = this.#early?.best;
    return {
      epochs: this.#epochs,
      ...(this.#evaluations.length > 0 && { evaluations: this.#evaluations }),
      ...(best && { best }),
      ...(this.#stopped !== undefined && { stopped: this.#stopped }),
      aborted: this.#aborted,
    };
  }
}

function ofValidation(val: Metrics): Pick<EvaluationRecord, "val" | "valLoss" | "valAccuracy"> {
  const { loss, accuracy } = val;
  return { val, valLoss: loss, ...(accuracy !== undefined && { valAccuracy: accuracy }) };
}
