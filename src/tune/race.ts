/**
 * Which of several ways to do the same work is faster beyond noise. Runs them in turns, compares round by round and by
 * medians, and lets a winner prove itself in a second race against the first runner alone. Knows nothing of kernels.
 */

/** Does the work `times` times; answers the milliseconds that took. */
export type Runner = (times: number) => Promise<number>;

export interface RaceOptions {
  readonly signal?: AbortSignal | undefined;
  /** How much less time a winner must take, as a share. */
  readonly margin: number;
  /** Milliseconds that one turn of the first runner should take, so that the clock's own steps don't matter. */
  readonly turn: number;
}

export interface RaceResult {
  /** 0, the first, unless another one is faster by more than the margin, in the median and in most rounds, twice. */
  readonly winner: number;
  /** Each runner's time over the first's: the median of the rounds, or of one try for those that were out early. */
  readonly ratios: readonly number[];
  /** Of the first, for one time. */
  readonly milliseconds: number;
}

const ROUNDS = 7;
const PROOF_ROUNDS = 7;
/** Where one turn takes longer than this, there are fewer of them. */
const LONG_TURN = 250;
const FEW_ROUNDS = 3;
/** Who takes so much longer is out: once than a whole turn of the first, a turn, and in the median of some rounds. */
const BEYOND_HOPE = 10;
const HOPELESS = 3;
const BEHIND = 1.15;
const MOST_TIMES = 1000;

export async function race(runners: readonly Runner[], options: RaceOptions): Promise<RaceResult> {
  const [first] = runners as [Runner];
  const { times, once } = await turnOf(first, options.turn);
  const rounds = once * times > LONG_TURN ? FEW_ROUNDS : ROUNDS;
  let alive: number[] = [0];
  const ratios: number[] = [1];
  for (let i = 1; i < runners.length; i++) {
    options.signal?.throwIfAborted();
    const tryOut = runners[i] as Runner;
    const single = (await tryOut(1)) / once;
    ratios[i] = single <= BEYOND_HOPE * times ? (await tryOut(times)) / (once * times) : single;
    if (ratios[i]! <= HOPELESS) alive.push(i);
  }
  const laps = runners.map((): number[] => []);
  const ratioOf = (i: number) => median(laps[i]!.map((t, round) => t / laps[0]![round]!));
  for (let round = 0; round < rounds && alive.length > 1; round++) {
    for (const i of turned(alive, round)) laps[i]!.push(await lap(runners[i]!, times, options.signal));
    for (const i of alive) ratios[i] = ratioOf(i);
    if (round + 1 === FEW_ROUNDS) alive = alive.filter((i) => ratios[i]! <= BEHIND);
  }
  const milliseconds = laps[0]!.length > 0 ? median(laps[0]!) / times : once;
  const best = alive.reduce((a, b) => (ratios[b]! < ratios[a]! ? b : a), 0);
  if (best === 0 || !isFaster(laps[best]!, laps[0]!, options.margin)) {
    return { winner: 0, ratios, milliseconds };
  }
  const proof = await duel(first, runners[best]!, times, Math.min(rounds, PROOF_ROUNDS), options.signal);
  ratios[best] = median(proof.second.map((t, i) => t / proof.first[i]!));
  return { winner: isFaster(proof.second, proof.first, options.margin) ? best : 0, ratios, milliseconds };
}

/** How often to do the work in one turn, and how long once takes. The clock may go in steps longer than that. */
async function turnOf(runner: Runner, turn: number): Promise<{ times: number; once: number }> {
  // What is done for the first time may be slow for reasons of its own.
  await runner(1);
  let times = 1;
  for (;;) {
    const once = (await runner(times)) / times;
    if (times === MOST_TIMES || once * times >= turn / 2) {
      return { times: Math.max(1, Math.min(MOST_TIMES, Math.ceil(turn / once))), once };
    }
    times = Math.min(MOST_TIMES, times * 4);
  }
}

/** Laps of two runners in turns. */
export async function duel(
  one: Runner,
  other: Runner,
  times: number,
  rounds: number,
  signal?: AbortSignal,
): Promise<{ readonly first: number[]; readonly second: number[] }> {
  const first: number[] = [];
  const second: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const i of turned([0, 1], round)) {
      (i === 0 ? first : second).push(await lap(i === 0 ? one : other, times, signal));
    }
  }
  return { first, second };
}

/** Whether `laps` are shorter than `than` by more than `margin`: in the median, and in three rounds of four. */
export function isFaster(laps: readonly number[], than: readonly number[], margin: number): boolean {
  const ratios = laps.map((t, i) => t / than[i]!);
  const wins = ratios.filter((ratio) => ratio < 1).length;
  return median(ratios) <= 1 - margin && wins >= 0.75 * ratios.length;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** No runner always follows the same other one. */
function turned(runners: readonly number[], round: number): number[] {
  const at = round % runners.length;
  const order = [...runners.slice(at), ...runners.slice(0, at)];
  return round % 2 === 1 && runners.length > 2 ? order.reverse() : order;
}

async function lap(runner: Runner, times: number, signal: AbortSignal | undefined): Promise<number> {
  signal?.throwIfAborted();
  return Math.max(await runner(times), 1e-6);
}
