/**
 * Compiles a graph with the kernel variants that are fastest on an adapter: stored choices, else measured ones. A program with
 * new choices must also be faster as a whole than the one with the defaults.
 */

import { mutatedLeaves } from "../graph/graph.ts";
import { type Data, formatSpec } from "../graph/spec.ts";
import type { Choose, Plan } from "../plan/plan.ts";
import type { Backend, Program, Stopwatch, TuneChoice, TuneEvent, TuneOptions } from "../runtime/backend.ts";
import { type Measurement, measureGroups, type TuneTarget } from "./benchmark.ts";
import { alternate, median, ratiosOf } from "./compare-times.ts";
import { groupKey, groupNodes, type NodeGroup } from "./node-groups.ts";
import { type Choice, StoredChoices } from "./stored-choices.ts";

type Choices = ReadonlyMap<NodeGroup, Choice>;
type RunTimes = Extract<TuneEvent, { event: "tuned" }>["run"];

const DEFAULT = { variant: null, ratio: 1 } as const;
/** Of the comparison of whole programs. */
const ROUNDS = 9;
const ROUND_MILLISECONDS = 30;

const defaultStopwatch: Stopwatch = async (program, times) => {
  if (program.time !== undefined) return program.time(times);
  const begun = performance.now();
  program.run(times);
  await program.finished();
  return performance.now() - begun;
};

/** Throws what compiling throws, and the reason of an aborted signal. */
export async function tuned<P extends Program>(target: TuneTarget<P>, options: TuneOptions): Promise<P> {
  const begun = performance.now();
  const { store = target.store, onEvent = () => undefined, renew = false } = options;
  const notice = (message: string) => onEvent({ event: "notice", message });
  const plan = target.plan();
  const groups = await groupNodes(plan, target.env, target.forced);
  const known = await StoredChoices.load(target.adapter, store ?? undefined, notice, renew);
  const stored = new Map(
    groups.flatMap((group) => {
      const choice = known.find(group);
      return choice === undefined ? [] : [[group, choice]];
    }),
  );
  const open = groups.filter((group) => !stored.has(group));
  const { program, made, measurements, run } =
    open.length === 0
      ? { program: await target.program(target.plan(chooser(stored))), ...NOTHING_MEASURED }
      : await choose(target, plan, open, stored, {
          ...options,
          stopwatch: options.stopwatch ?? defaultStopwatch,
        });
  if (made.size > 0) await known.add(new Map([...made].map(([{ key }, choice]) => [key, choice])));
  for (const group of groups) {
    const choice = (made.get(group) ?? stored.get(group)) as Choice;
    onEvent({ event: "choice", ...describe(plan, group, choice, measurements.get(group)) });
  }
  const counts = { measured: made.size, stored: stored.size };
  const seconds = (performance.now() - begun) / 1000;
  onEvent({ event: "tuned", adapter: target.adapter, ...counts, run, seconds, place: store?.place });
  return program;
}

const NOTHING_MEASURED = {
  made: new Map<NodeGroup, Choice>(),
  measurements: new Map<NodeGroup, Measurement>(),
  run: undefined,
};

/** Measures `open` and returns the faster program: that with the defaults or that with the choices. */
async function choose<P extends Program>(
  target: TuneTarget<P>,
  plan: Plan,
  open: readonly NodeGroup[],
  stored: Choices,
  options: TuneOptions & { readonly stopwatch: Stopwatch },
) {
  const withDefaults = await target.program(plan);
  await options.prepare?.();
  const measurements = await measureGroups(target, open, options);
  const made = new Map([...measurements].map(([group, m]) => [group, choiceOf(group, m)]));
  const all = new Map([...stored, ...made]);
  if (!hasVariants(all)) return { program: withDefaults, made, measurements, run: undefined };
  const withChoices = await target.program(target.plan(chooser(all)));
  let run: RunTimes;
  if (hasVariants(made)) run = await compareRuns(target.backend, plan, withDefaults, withChoices, options);
  if (run?.kept !== false) {
    withDefaults.destroy();
    return { program: withChoices, made, measurements, run };
  }
  withChoices.destroy();
  const discarded = new Map(
    [...made].map(([group, { fingerprint }]) => [group, { ...DEFAULT, fingerprint }]),
  );
  if (!hasVariants(stored)) return { program: withDefaults, made: discarded, measurements, run };
  withDefaults.destroy();
  const program = await target.program(target.plan(chooser(stored)));
  return { program, made: discarded, measurements, run };
}

function choiceOf({ fingerprint }: NodeGroup, { winner, variants, ratios }: Measurement): Choice {
  const variant = variants[winner];
  return variant === undefined
    ? { ...DEFAULT, fingerprint }
    : { variant, ratio: ratios[winner] as number, fingerprint };
}

const hasVariants = (choices: Choices) => [...choices.values()].some(({ variant }) => variant !== null);

function chooser(choices: Choices): Choose {
  const variants = new Map([...choices].map(([{ key }, { variant }]) => [key, variant ?? undefined]));
  return ({ op, plan }) =>
    op.variants.length === 0 ? undefined : variants.get(groupKey(op, plan.constants));
}

/** Times two programs of one graph alternately. The states of the graph keep their values. */
async function compareRuns(
  backend: Backend,
  plan: Plan,
  withDefaults: Program,
  withChoices: Program,
  { stopwatch, signal }: { readonly stopwatch: Stopwatch; readonly signal?: AbortSignal | undefined },
): Promise<RunTimes> {
  const states = [...new Set(plan.graph.updates.flatMap(mutatedLeaves))];
  const values = states.length === 0 ? [] : await backend.readAll(states);
  const [one, other] = [withDefaults, withChoices].map((p) => (times: number) => stopwatch(p, times));
  try {
    await other!(1);
    await one!(1);
    const times = Math.ceil(ROUND_MILLISECONDS / Math.max(await one!(1), 0.1));
    const [ofDefaults, ofChoices] = await alternate([one!, other!], times, ROUNDS, signal);
    const usual = median(ofDefaults) / times;
    const ratio = median(ratiosOf(ofChoices, ofDefaults));
    return { usual, chosen: ratio * usual, kept: ratio < 1 };
  } finally {
    states.forEach((t, i) => {
      backend.write(t, values[i] as Data);
    });
  }
}

function describe(
  plan: Plan,
  { key, node, defaultVariant, alternatives }: NodeGroup,
  choice: Choice,
  measurement: Measurement | undefined,
): TuneChoice {
  const members = plan.graph.nodes.filter(
    ({ op, plan: { constants } }) => op === node.op && groupKey(op, constants) === key,
  );
  const untried = alternatives.map(({ name }) => [name, "not tried: many times slower elsewhere"]);
  const times = measurement?.variants.flatMap((name, i) =>
    name === undefined ? [] : [[name, measurement.ratios[i]]],
  );
  const outcomes = [...untried, ...(times ?? []), ...Object.entries(measurement?.refused ?? {})];
  return {
    node: node.label,
    nodes: members.length,
    op: node.op.name,
    inputs: node.inputs.map(formatSpec),
    outputs: node.outputs.map(formatSpec),
    usual: defaultVariant,
    chosen: choice.variant ?? defaultVariant,
    ratio: choice.ratio,
    milliseconds: measurement?.milliseconds,
    source: measurement === undefined ? "stored" : "measured",
    variants: measurement === undefined ? {} : Object.fromEntries(outcomes),
  };
}
