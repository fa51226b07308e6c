/**
 * Where the epochs of a run begin and end, counted in steps of the run. All of it follows from the step counter and the
 * records so far, so that a resumed run does what the interrupted one would have done.
 */
import { MismatchError, ValueError } from "../../validation/errors.ts";
import { type FitState, MOST_STEPS } from "../state/fit-record.ts";
import type { FitOptions } from "./options.ts";

/** One epoch. */
export interface EpochPlan {
  /** From 1. */
  readonly epoch: number;
  /** Step at which the pass over the data begins; before `begin` where the run begins in the middle of a pass. */
  readonly dataBegin: number;
  readonly begin: number;
  readonly end: number;
  /** Step at which the last epoch ends. */
  readonly runEnd: number;
}

export class RunPlan {
  /** Steps at which the run begins and ends. */
  readonly begin: number;
  readonly end: number;
  readonly #evaluateEvery: number | undefined;
  readonly #checkpointEvery: number | undefined;

  /** `steps`: where the trainer stands. Throws ValueError where `resume` is of another step. */
  constructor(
    { resume, epochs, steps: wanted, evaluateEvery, checkpoints }: FitOptions,
    readonly steps: number,
    readonly stepsPerEpoch: number,
  ) {
    if (resume !== undefined && resume.step !== steps) {
      throw new ValueError(
        `fit: \`resume\` is of step ${resume.step}, but the trainer stands at ${steps}; load that checkpoint first`,
      );
    }
    this.begin = resume?.begin ?? steps;
    this.end =
      wanted === undefined
        ? this.#dataBegin(this.begin) + (epochs ?? 0) * stepsPerEpoch
        : this.begin + wanted;
    this.#evaluateEvery = evaluateEvery;
    this.#checkpointEvery = checkpoints?.everySteps;
  }

  /**
   * Throws MismatchError where a resumed run can't have ended its epochs where this one does, ValueError where steps can't be
   * counted any further; answers a notice where the run does not begin or end as expected. `trains`: what this run trains on;
   * `trained`: what the steps so far trained on, if known.
   */
  check(resume: FitState | undefined, trains: string, trained: string | undefined): string | undefined {
    const { begin, end, steps, stepsPerEpoch } = this;
    if (steps >= MOST_STEPS || end > Number.MAX_SAFE_INTEGER) {
      throw new ValueError(`fit: a run has at most ${MOST_STEPS} steps; this one stands at ${steps}`);
    }
    if (resume === undefined) {
      const within = steps % stepsPerEpoch;
      if (within === 0 || trained === undefined || trained === trains) return undefined;
      return (
        `fit: the ${steps} steps so far went over ${trained}, these go over ${trains}: the first epoch begins at step ` +
        `${within} of ${stepsPerEpoch} and is as much shorter`
      );
    }
    const { epochs, totals } = resume;
    const epochBegin = steps - totals.steps;
    const expected = this.#dataBegin(begin) + epochs.length * stepsPerEpoch;
    // A run of a given number of steps may have ended within an epoch, which then has a record.
    const partial =
      epochs.length > 0 &&
      totals.steps === 0 &&
      epochBegin < expected &&
      epochBegin > expected - stepsPerEpoch;
    if (!partial && (epochBegin !== Math.max(expected, begin) || steps > expected + stepsPerEpoch)) {
      throw new MismatchError(
        `fit: resume: ${epochs.length} epochs and ${totals.steps} steps ended at step ${steps}, which is not possible with ` +
          `${stepsPerEpoch} steps per epoch (${trains}); take the batch size and the number of samples of the run`,
      );
    }
    if (resume.end === undefined || resume.end === end) return undefined;
    const beyond = end < steps ? `; it stands at ${steps} already, nothing is trained` : "";
    return `fit: the run was to end at step ${resume.end}, now at ${end}${beyond}`;
  }

  /** Epochs to train from step `position` on, where `done` steps of the first of them are done. */
  epochsLeft(position: number, done: number): number {
    // One is left where all of its steps are done, but not its evaluation.
    if (position > this.end || (position === this.end && done === 0)) return 0;
    return Math.ceil((this.end - this.#dataBegin(position - done)) / this.stepsPerEpoch);
  }

  /**
   * The epoch with this number, of which `done` steps are done at step `position`. A run that was stopped in the middle of a
   * pass over the data first finishes that.
   */
  epoch(number: number, position: number, done: number): EpochPlan {
    const begin = position - done;
    const dataBegin = this.#dataBegin(begin);
    const end = Math.min(dataBegin + this.stepsPerEpoch, this.end);
    return { epoch: number, dataBegin, begin, end, runEnd: this.end };
  }

  /** The next step after `position` at which to evaluate or to write a checkpoint; `epochEnd` at the latest. */
  nextStop(position: number, epochEnd: number): number {
    if (position >= MOST_STEPS) throw new ValueError(`fit: a run has at most ${MOST_STEPS} steps`);
    const next = (every: number | undefined) =>
      every === undefined ? epochEnd : position + every - (position % every);
    return Math.min(epochEnd, MOST_STEPS, next(this.#evaluateEvery), next(this.#checkpointEvery));
  }

  /** The step at or before `step` at which a pass over the data begins. */
  #dataBegin(step: number): number {
    return step - (step % this.stepsPerEpoch);
  }
}
