/** Compares two programs of one graph as a whole, in turns. States are put back as they were. */

import { mutatedLeaves } from "../graph/graph.ts";
import type { Data } from "../graph/spec.ts";
import type { Plan } from "../plan/plan.ts";
import type { Backend, Program, Stopwatch } from "../runtime/backend.ts";
import { duel, median } from "./race.ts";

export interface RunTimes {
  /** Milliseconds of one run with the ops' own choices. */
  readonly usual: number;
  /** By the median of the rounds' ratios. */
  readonly chosen: number;
  /** Whether `chosen` is faster in the median round. Its kernels have proved themselves one by one before. */
  readonly kept: boolean;
}

/** Milliseconds per turn. */
const TURN = 30;
const ROUNDS = 9;

export async function compareRuns(
  backend: Backend,
  plan: Plan,
  usual: Program,
  chosen: Program,
  { stopwatch, signal }: { readonly stopwatch: Stopwatch; readonly signal?: AbortSignal | undefined },
): Promise<RunTimes> {
  const states = [...new Set(plan.graph.updates.flatMap(mutatedLeaves))];
  const values = states.length === 0 ? [] : await backend.readAll(states);
  try {
    await stopwatch(chosen, 1);
    await stopwatch(usual, 1);
    const times = Math.ceil(TURN / Math.max(await stopwatch(usual, 1), 0.1));
    const { first, second } = await duel(
      (n) => stopwatch(usual, n),
      (n) => stopwatch(chosen, n),
      times,
      ROUNDS,
      signal,
    );
    const usualTime = median(first) / times;
    const ratio = median(second.map((t, i) => t / first[i]!));
    return { usual: usualTime, chosen: ratio * usualTime, kept: ratio < 1 };
  } finally {
    states.forEach((t, i) => {
      backend.write(t, values[i] as Data);
    });
  }
}
