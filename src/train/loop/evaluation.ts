/** One pass over a data set without training: every sample counts once. */
import type { Backend } from "../../runtime/backend.ts";
import { Totals } from "../metrics/accumulator.ts";
import type { EvaluationProgram } from "../step/program-source.ts";
import { type Pace, type Row, ringOf, StepRunner } from "../step/runner.ts";
import type { Metrics } from "./events.ts";

/** Means over the whole set. Rejects with the reason of `signal` when that is aborted, after the steps in flight. */
export async function runEvaluation(
  backend: Backend,
  evaluation: EvaluationProgram,
  pace: Pace,
  signal: AbortSignal | undefined,
): Promise<Metrics> {
  const { program, ring, feed, layout, step, stepsPerEpoch } = evaluation;
  backend.write(step, Uint32Array.of(0));
  const fed = feed === undefined ? pace : { ...pace, ready: feed.begin() };
  const runner = new StepRunner(program, ringOf(backend, ring), 0, fed);
  return (await runSteps(runner, stepsPerEpoch, new Totals(layout, "evaluation"), signal)).metrics();
}

/** Takes `runner` to step `until`; answers `totals` with all steps on the way, which `told` sees. Rejects as `runEvaluation`. */
export async function runSteps(
  runner: StepRunner,
  until: number,
  totals: Totals,
  signal?: AbortSignal,
  told?: (rows: readonly Row[], first: number) => void,
): Promise<Totals> {
  const begin = runner.position - totals.steps;
  const collect = async () => {
    const first = begin + totals.steps;
    const rows = await runner.collect();
    totals.add(rows, first);
    told?.(rows, first);
  };
  while (runner.position < until) {
    signal?.throwIfAborted();
    await runner.advance(until - runner.position);
    if (runner.full) await collect();
  }
  await collect();
  return totals;
}
