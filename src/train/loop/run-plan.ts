/** Where a fit begins within the data: checked before a run goes on, and said where it is not what one would expect. */
import { MismatchError, ValueError } from "../../common/errors.ts";
import { type FitState, MOST_STEPS } from "../state/fit-record.ts";

interface Position {
  /** Where the trainer stands. */
  readonly steps: number;
  /** Step at which the run began, and at which it ends. */
  readonly begin: number;
  readonly end: number;
  readonly stepsPerEpoch: number;
  readonly resume: FitState | undefined;
  /** What this fit goes over, and what the steps so far went over, as far as that is known. */
  readonly trains: string;
  readonly trained: string | undefined;
}

/**
 * Throws MismatchError where the epochs of a resumed run don't end where this one's do, ValueError where steps can't be
 * counted any further; answers what is to be said.
 */
export function checkPosition(position: Position): string | undefined {
  const { steps, begin, end, stepsPerEpoch, resume, trains, trained } = position;
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
  const from = steps - totals.steps;
  const ended = begin - (begin % stepsPerEpoch) + epochs.length * stepsPerEpoch;
  // A run of so many steps may have ended within an epoch, of which there is a record then.
  const cut = epochs.length > 0 && totals.steps === 0 && from < ended && from > ended - stepsPerEpoch;
  if (!cut && (from !== Math.max(ended, begin) || steps > ended + stepsPerEpoch)) {
    throw new MismatchError(
      `fit: resume: ${epochs.length} epochs and ${totals.steps} steps ended at step ${steps}, which they can't with ` +
        `${stepsPerEpoch} steps per epoch (${trains}): another batch size or number of samples`,
    );
  }
  if (resume.end === undefined || resume.end === end) return undefined;
  const beyond = end < steps ? `; it stands at ${steps} already, nothing is trained` : "";
  return `fit: the run was to end at step ${resume.end}, now at ${end}${beyond}`;
}
