/**
 * A graph planned with the kernels that are fastest on an adapter: from what is stored, else by timing every contest. A new
 * plan must also beat the usual one as a whole, or all stays as it was.
 */

import { formatSpec } from "../graph/spec.ts";
import type { Choose, Plan } from "../plan/plan.ts";
import type { Program, Stopwatch, TuneChoice, TuneOptions } from "../runtime/backend.ts";
import { type Contest, contestKey, contestsOf } from "./candidates.ts";
import { type Choice, Choices } from "./choices.ts";
import { measure, type TuneTarget } from "./measure.ts";
import type { Trial } from "./specimen.ts";
import { compareRuns, type RunTimes } from "./whole-run.ts";

export type { TuneTarget } from "./measure.ts";

const byClock: Stopwatch = async (program, times) => {
  if (program.time !== undefined) return program.time(times);
  const begun = performance.now();
  program.run(times);
  await program.finished();
  return performance.now() - begun;
};

type Settled = ReadonlyMap<Contest, Choice>;

/** Throws whatever compiling throws, and the reason of an aborted signal. */
export async function tuned<P extends Program>(target: TuneTarget<P>, options: TuneOptions): Promise<P> {
  const begun = performance.now();
  const { store = target.store, onEvent = () => undefined, renew = false } = options;
  const notice = (message: string) => onEvent({ event: "notice", message });
  const plan = target.plan();
  const contests = await contestsOf(plan, target.env, target.forced);
  const choices = await Choices.load(target.adapter, store ?? undefined, notice, renew);
  const stored = new Map(
    contests.flatMap((contest) => {
      const choice = choices.find(contest);
      return choice === undefined ? [] : [[contest, choice]];
    }),
  );
  const open = contests.filter((contest) => !stored.has(contest));
  const { program, found, trials, run } =
    open.length === 0
      ? { program: await target.program(target.plan(chooser(stored))), ...nothingNew }
      : await settle(target, plan, open, stored, { ...options, stopwatch: options.stopwatch ?? byClock });
  if (found.size > 0) await choices.add(new Map([...found].map(([{ key }, c]) => [key, c])), notice);
  for (const contest of contests) {
    const choice = (found.get(contest) ?? stored.get(contest)) as Choice;
    onEvent({ event: "choice", ...describe(plan, contest, choice, trials.get(contest)) });
  }
  const counts = { measured: found.size, stored: stored.size };
  const seconds = (performance.now() - begun) / 1000;
  onEvent({ event: "tuned", adapter: target.adapter, ...counts, run, seconds, place: store?.place });
  return program;
}

const nothingNew = {
  found: new Map<Contest, Choice>(),
  trials: new Map<Contest, Trial>(),
  run: undefined,
};

/** Times `open` and makes the better program of the usual one and that with the choices. */
async function settle<P extends Program>(
  target: TuneTarget<P>,
  plan: Plan,
  open: readonly Contest[],
  stored: Settled,
  options: TuneOptions & { readonly stopwatch: Stopwatch },
) {
  const usual = await target.program(plan);
  await options.prepare?.();
  const trials = await measure(target, open, options);
  const found = new Map([...trials].map(([contest, trial]) => [contest, choiceOf(contest, trial)]));
  const all = new Map([...stored, ...found]);
  if (!anyOther(all)) return { program: usual, found, trials, run: undefined };
  const chosen = await target.program(target.plan(chooser(all)));
  let run: RunTimes | undefined;
  if (anyOther(found)) run = await compareRuns(target.backend, plan, usual, chosen, options);
  if (run?.kept !== false) {
    usual.destroy();
    return { program: chosen, found, trials, run };
  }
  chosen.destroy();
  const asBefore = new Map([...found].map(([c, { fingerprint }]) => [c, { ...USUAL, fingerprint }]));
  if (!anyOther(stored)) return { program: usual, found: asBefore, trials, run };
  usual.destroy();
  return { program: await target.program(target.plan(chooser(stored))), found: asBefore, trials, run };
}

const USUAL = { variant: null, ratio: 1 } as const;

function choiceOf({ fingerprint }: Contest, { winner, variants, ratios }: Trial): Choice {
  const variant = variants[winner];
  return variant === undefined
    ? { ...USUAL, fingerprint }
    : { variant, ratio: ratios[winner] as number, fingerprint };
}

const anyOther = (choices: Settled) => [...choices.values()].some(({ variant }) => variant !== null);

function chooser(choices: Settled): Choose {
  const variants = new Map([...choices].map(([{ key }, { variant }]) => [key, variant ?? undefined]));
  return ({ op, plan }) =>
    op.variants.length === 0 ? undefined : variants.get(contestKey(op, plan.constants));
}

function describe(plan: Plan, contest: Contest, choice: Choice, trial: Trial | undefined): TuneChoice {
  const { key, node, usual } = contest;
  const alike = plan.graph.nodes.filter(
    ({ op, plan: { constants } }) => op === node.op && contestKey(op, constants) === key,
  );
  const times = trial?.variants.map((variant, i) => [variant ?? usual, trial.ratios[i] as number]) ?? [];
  const refused = Object.entries(trial?.refused ?? {});
  const untried = contest.others.map(({ name }) => [name, "not tried: many times slower elsewhere"]);
  return {
    node: node.label,
    nodes: alike.length,
    op: node.op.name,
    inputs: node.inputs.map(formatSpec),
    outputs: node.outputs.map(formatSpec),
    usual,
    chosen: choice.variant ?? usual,
    ratio: choice.ratio,
    milliseconds: trial?.milliseconds,
    source: trial === undefined ? "stored" : "measured",
    variants: trial === undefined ? {} : Object.fromEntries([...untried, ...times.slice(1), ...refused]),
  };
}
