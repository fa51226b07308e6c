/** One pass over a data set without training: every sample counts once. */
import type { Backend } from "../backend.ts";
import type { Metrics } from "./events.ts";
import type { EvaluationProgram } from "./programs.ts";
import { type Pace, StepRunner } from "./runner.ts";
import { Totals } from "./totals.ts";

/** Means over the whole set. Rejects with the reason of `signal` when that is aborted, after the steps in flight. */
export async function runEvaluation(
  backend: Backend,
  evaluation: EvaluationProgram,
  pace: Pace,
  signal: AbortSignal | undefined,
): Promise<Metrics> {
  const { program, ring, feed, layout, step, stepsPerEpoch } = evaluation;
  backend.write(step, Uint32Array.of(0));
  const runner = new StepRunner(
    backend,
    program,
    ring,
    0,
    feed === undefined ? pace : { ...pace, ready: feed.begin() },
  );
  const totals = new Totals(layout);
  while (runner.position < stepsPerEpoch) {
    signal?.throwIfAborted();
    await runner.advance(stepsPerEpoch - runner.position);
    if (runner.full) totals.add(await runner.collect(), totals.steps);
  }
  totals.add(await runner.collect(), totals.steps);
  return totals.metrics();
}
