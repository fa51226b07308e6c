/**
 * Finds out which of several ways to do the same work is faster beyond noise: runs them alternately, compares round by round
 * and by medians, and confirms the fastest against the first alone. Knows nothing of kernels.
 */

/** Does the work `times` times and returns the milliseconds that took. */
export type TimedWork = (times: number) => Promise<number>;

export interface ComparisonOptions {
  readonly signal?: AbortSignal | undefined;
  /** The share of time that a candidate must save to be chosen. */
  readonly margin: number;
  /** Milliseconds that one measurement of the first candidate should take, so that the resolution of the clock is enough. */
  readonly duration: number;
}

export interface TimeComparison {
  /** Index of the winner: 0 unless another one saves the margin in the median and in most rounds, twice. */
  readonly winner: number;
  /** Each one's time divided by the first's: the median of the rounds, or of one run for those that were given up early. */
  readonly ratios: readonly number[];
  /** Of the first, for doing the work once. */
  readonly milliseconds: number;
}

const ROUNDS = 7;
/** Where one measurement takes longer than this many milliseconds, there are fewer rounds. */
const LONG_MILLISECONDS = 250;
const FEW_ROUNDS = 3;
const MAX_REPETITIONS = 1000;
/**
 * Candidates are given up when one run takes this many times as long as a whole measurement of the first, when a measurement
 * does, and when the median of the first few rounds does.
 */
const GIVE_UP = { run: 10, measurement: 3, rounds: 1.15 };

/** Compares the first of `candidates` with all others. Rejects with the reason of an aborted signal. */
export async function findFastest(
  candidates: readonly TimedWork[],
  { signal, margin, duration }: ComparisonOptions,
): Promise<TimeComparison> {
  const [first] = candidates as [TimedWork];
  const { times, once } = await repetitionsFor(first, duration);
  const rounds = once * times > LONG_MILLISECONDS ? FEW_ROUNDS : ROUNDS;
  let remaining: number[] = [0];
  const ratios: number[] = [1];
  for (let i = 1; i < candidates.length; i++) {
    signal?.throwIfAborted();
    const candidate = candidates[i] as TimedWork;
    const single = (await candidate(1)) / once;
    const hopeless = single > GIVE_UP.run * times;
    ratios[i] = hopeless ? single : (await candidate(times)) / (once * times);
    if (ratios[i]! <= GIVE_UP.measurement) remaining.push(i);
  }
  const measured = candidates.map((): number[] => []);
  for (let round = 0; round < rounds && remaining.length > 1; round++) {
    for (const i of orderOf(remaining, round)) {
      measured[i]!.push(await measure(candidates[i]!, times, signal));
    }
    for (const i of remaining) ratios[i] = median(ratiosOf(measured[i]!, measured[0]!));
    if (round + 1 === FEW_ROUNDS) remaining = remaining.filter((i) => ratios[i]! <= GIVE_UP.rounds);
  }
  const milliseconds = measured[0]!.length > 0 ? median(measured[0]!) / times : once;
  const best = remaining.reduce((a, b) => (ratios[b]! < ratios[a]! ? b : a), 0);
  if (best === 0 || !isFaster(measured[best]!, measured[0]!, margin)) {
    return { winner: 0, ratios, milliseconds };
  }
  // The fastest of many may have been lucky, so it has to win again.
  const [ofFirst, ofBest] = await alternate([first, candidates[best]!], times, rounds, signal);
  ratios[best] = median(ratiosOf(ofBest, ofFirst));
  return { winner: isFaster(ofBest, ofFirst, margin) ? best : 0, ratios, milliseconds };
}

/** How often to do the work in one measurement, and how long once takes; the clock may be coarser than that. */
async function repetitionsFor(work: TimedWork, duration: number): Promise<{ times: number; once: number }> {
  // The first run may be slow for reasons of its own.
  await work(1);
  for (let times = 1; ; times = Math.min(MAX_REPETITIONS, times * 4)) {
    const once = (await work(times)) / times;
    if (times === MAX_REPETITIONS || once * times >= duration / 2) {
      return { times: Math.max(1, Math.min(MAX_REPETITIONS, Math.ceil(duration / once))), once };
    }
  }
}

/** Milliseconds of both in each round, measured alternately. */
export async function alternate(
  both: readonly [TimedWork, TimedWork],
  times: number,
  rounds: number,
  signal?: AbortSignal,
): Promise<[number[], number[]]> {
  const measured: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const i of orderOf([0, 1], round)) {
      measured[i as 0 | 1].push(await measure(both[i as 0 | 1], times, signal));
    }
  }
  return measured;
}

/** Whether `measured` is below `reference` by more than `margin`: in the median, and in three rounds of four. */
function isFaster(measured: readonly number[], reference: readonly number[], margin: number): boolean {
  const ratios = ratiosOf(measured, reference);
  const wins = ratios.filter((ratio) => ratio < 1).length;
  return median(ratios) <= 1 - margin && wins >= 0.75 * ratios.length;
}

export const ratiosOf = (measured: readonly number[], reference: readonly number[]): number[] =>
  measured.map((time, round) => time / reference[round]!);

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Rotated and reversed from round to round, so that none always follows the same other one. */
function orderOf(indexes: readonly number[], round: number): number[] {
  const at = round % indexes.length;
  const order = [...indexes.slice(at), ...indexes.slice(0, at)];
  return round % 2 === 1 && indexes.length > 2 ? order.reverse() : order;
}

async function measure(work: TimedWork, times: number, signal: AbortSignal | undefined): Promise<number> {
  signal?.throwIfAborted();
  return Math.max(await work(times), 1e-6);
}
