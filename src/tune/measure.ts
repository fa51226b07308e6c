/** Times the variants of contests at their real shapes, on the very numbers that a run of the graph gives their nodes. */

import { mutatedLeaves } from "../graph/graph.ts";
import type { KernelEnv, KernelUse } from "../graph/kernel.ts";
import type { Data } from "../graph/spec.ts";
import type { Node, Tensor } from "../graph/tensor.ts";
import type { Choose, Plan } from "../plan/plan.ts";
import type { Backend, Program, Stopwatch, TuneOptions, TuneStore } from "../runtime/backend.ts";
import type { Contest } from "./candidates.ts";
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
/** A variant that took so many times as long in so many contests, and in no other less, is given up. */
const FAR_BEHIND = 10;
const ENOUGH = 3;
/** Bytes that may be kept of a run at once. */
const KEPT_BYTES = 2 ** 28;

/** The leaves of `contests`' graph must be on the device. States stay as they are. */
export async function measure<P extends Program>(
  target: TuneTarget<P>,
  contests: readonly Contest[],
  { stopwatch, signal, onEvent }: TuneOptions & { readonly stopwatch: Stopwatch },
): Promise<Map<Contest, Trial>> {
  const trials = new Map<Contest, Trial>();
  const slow = new SlowVariants();
  for (const some of lotsOf(contests)) {
    const outputs = [...new Set(some.flatMap(({ node }) => node.inputs))];
    const updates = updatesBefore(outputs);
    const states = updates.flatMap(mutatedLeaves);
    const options = { fuse: false, variants: target.forced };
    const source = await target.backend.compile({ outputs, updates }, options);
    try {
      const before = await target.backend.readAll(states);
      source.run();
      states.forEach((t, i) => {
        target.backend.write(t, before[i] as Data);
      });
      for (const contest of some) {
        signal?.throwIfAborted();
        const { node } = contest;
        onEvent?.({ event: "tuning", node: node.label, done: trials.size, of: contests.length });
        const inputs: Data[] = [];
        for (const t of node.inputs) inputs.push(await source.read(t));
        const bench = target.bench();
        try {
          const left = slow.without(contest);
          await target.warm(left.others.flatMap(({ kernels }) => kernels));
          const options = { signal, margin: MARGIN, turn: TURN };
          const trial = await tryVariants(bench, left, inputs, stopwatch, options);
          slow.add(trial);
          trials.set(contest, trial);
        } finally {
          await bench.close();
        }
      }
    } finally {
      source.destroy();
    }
  }
  return trials;
}

/** Nodes that change states and that `tensors` are computed from. */
function updatesBefore(tensors: readonly Tensor[]): Node[] {
  const nodes = new Set(tensors.map((t) => t.node));
  for (const node of nodes) for (const t of node.inputs) nodes.add(t.node);
  return [...nodes].filter((n) => n.op.mutates.length > 0);
}

/**
 * Variants of one name are built alike in all ops: tiles in workgroup memory, say, which software adapters are slow at. One
 * that took many times as long wherever it was tried is not tried any more.
 */
class SlowVariants {
  /** How many contests each variant lost by far; no number for those that did better once. */
  readonly #lost = new Map<string, number>();

  without(contest: Contest): Contest {
    const others = contest.others.filter(({ name }) => !((this.#lost.get(name) ?? 0) >= ENOUGH));
    return { ...contest, others };
  }

  add({ variants, ratios }: Trial): void {
    variants.forEach((variant, i) => {
      if (variant === undefined) return;
      const lost = (ratios[i] as number) > FAR_BEHIND ? (this.#lost.get(variant) ?? 0) + 1 : Number.NaN;
      this.#lost.set(variant, lost);
    });
  }
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
