/** Times the variants of contests at their real shapes, on the very numbers that a run of the graph gives their nodes. */
import type { Backend, Program, Stopwatch, TuneOptions, TuneStore } from "../backend.ts";
import type { KernelEnv } from "../op.ts";
import type { Choose, Plan } from "../plan/plan.ts";
import type { Data } from "../tensor.ts";
import type { Contest, KernelUse } from "./candidates.ts";
import { type Trial, tryVariants } from "./specimen.ts";

/** A device and a graph, as tuning needs them. */
export interface TuneTarget<P extends Program> {
  readonly backend: Backend;
  /** Tells the adapter from all others. */
  readonly adapter: string;
  readonly env: Omit<KernelEnv, "variant">;
  /** Variants that the user wants, by op name. */
  readonly forced: Readonly<Record<string, string>>;
  /** Where choices are kept if the options don't say. */
  readonly store: TuneStore | undefined;
  plan(choose?: Choose): Plan;
  program(plan: Plan): Promise<P>;
  /** The same device with leaves and pipelines of its own; closing it frees only the leaves. */
  bench(): Backend;
  /** Compiles pipelines of `bench` ahead, many at once. What can't be compiled shows when it is needed. */
  warm(kernels: readonly KernelUse[]): Promise<void>;
}

/** How much less time a variant must take to be chosen. */
const MARGIN = 0.07;
/** Milliseconds per turn. */
const TURN = 4;
/** Bytes that may be kept of a run at once. */
const KEPT_BYTES = 2 ** 28;

/** The leaves of `contests`' graph must be on the device. States stay as they are. */
export async function measure<P extends Program>(
  target: TuneTarget<P>,
  contests: readonly Contest[],
  { stopwatch, signal, onEvent }: TuneOptions & { readonly stopwatch: Stopwatch },
): Promise<Map<Contest, Trial>> {
  const trials = new Map<Contest, Trial>();
  await target.warm(contests.flatMap(({ kernels }) => kernels));
  for (const some of lotsOf(contests)) {
    const outputs = [...new Set(some.flatMap(({ node }) => node.inputs))];
    const source = await target.backend.compile({ outputs }, { fuse: false, variants: target.forced });
    try {
      source.run();
      for (const contest of some) {
        signal?.throwIfAborted();
        const { node } = contest;
        onEvent?.({ event: "tuning", node: node.label, done: trials.size, of: contests.length });
        const inputs: Data[] = [];
        for (const t of node.inputs) inputs.push(await source.read(t));
        const bench = target.bench();
        try {
          const options = { signal, margin: MARGIN, turn: TURN };
          trials.set(contest, await tryVariants(bench, contest, inputs, stopwatch, options));
        } finally {
          await bench.close();
        }
      }
    } finally {
      source.destroy?.();
    }
  }
  return trials;
}

/** Contests whose inputs may be kept together. */
function lotsOf(contests: readonly Contest[]): Contest[][] {
  const lots: Contest[][] = [[]];
  let bytes = 0;
  for (const contest of contests) {
    const more = contest.node.inputs.reduce((sum, t) => sum + (t.leaf === undefined ? t.size * 4 : 0), 0);
    if (bytes > 0 && bytes + more > KEPT_BYTES) {
      lots.push([]);
      bytes = 0;
    }
    lots.at(-1)?.push(contest);
    bytes += more;
  }
  return lots;
}
