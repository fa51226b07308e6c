/**
 * The fusion of batch norm's running statistics with the moments of a batch: one kernel computes the moments and updates the
 * running statistics, where no other node reads or changes these.
 */
import type { ReductionGeometry } from "../geometry/reduction.ts";
import { type DefinedOp, defineOp } from "../graph/op.ts";
import { sizeOf } from "../graph/spec.ts";
import { type GraphView, isLeaf, type Node, type Replaced, type Tensor } from "../graph/tensor.ts";
import { trackedMomentsKernels } from "../kernels/reduce/moments.ts";
import { ROW_VARIANTS } from "../kernels/reduce/rows.ts";
import { type RunningStatsAttrs, runningStatsOp } from "../ops/norm/running-stats.ts";
import { type MomentsAttrs, momentsOp, momentsPlan } from "../ops/reduce/moments.ts";

interface TrackedAttrs extends MomentsAttrs {
  readonly momentum: number;
  readonly samples: number;
}

/** Moments of x, and the update of running statistics by them: running = (1 - momentum) running + momentum new. */
export const trackedMomentsOp: DefinedOp<TrackedAttrs> = defineOp({
  name: "moments",
  args: ["x", "runningMean", "runningVar", "count"],
  results: ["mean", "variance", "rstd"],
  mutates: ["runningMean", "runningVar", "count"],
  follows: true,
  variants: ROW_VARIANTS,
  plan([x, runningMean, runningVar, count], attrs: TrackedAttrs) {
    const { outputs, constants } = momentsPlan("moments", x, attrs);
    const of = { momentum: attrs.momentum, samples: attrs.samples };
    const one = { shape: [sizeOf(outputs[0]!.shape)], dtype: "f32" as const };
    const tracked = runningStatsOp.plan([runningMean!, runningVar!, count!, one, one], of).constants;
    const { momentum, unbias } = tracked as { momentum: number; unbias: number };
    return { outputs, constants: { ...constants, momentum, unbias } };
  },
  cpu({ x, runningMean, runningVar, count, mean, variance, rstd }, constants) {
    momentsOp.cpu({ x, mean, variance, rstd }, constants);
    const g = { ...constants, C: constants.KEPT!, CUMULATIVE: false };
    runningStatsOp.cpu({ runningMean, runningVar, count, mean, variance }, g);
  },
  kernels: (g, env) => trackedMomentsKernels(g as unknown as ReductionGeometry, env),
});

/** Replaces moments and the update of running statistics by `trackedMomentsOp` where nothing else uses the statistics. */
export function fuseRunningStats(graph: GraphView): Replaced {
  const tensors = new Map<Tensor, Tensor>();
  const updates = new Map<Node, Node>();
  for (const node of graph.nodes) {
    if (node.op !== runningStatsOp) continue;
    const { momentum, samples } = node.attrs as RunningStatsAttrs;
    const states = node.inputs.slice(0, 3);
    const [mean, variance] = node.inputs.slice(3).map(unshaped) as [Tensor, Tensor];
    const moments = mean.node;
    const own = states.every((t) => isLeaf(t) && graph.users(t).length === 1);
    const belongs = moments.op === momentsOp && moments.outputs[1] === variance && mean.index === 0;
    // With a cumulative average every workgroup needs `count`, which one of them would change meanwhile.
    if (momentum === null || !own || !belongs || tensors.has(mean)) continue;
    const attrs = { ...(moments.attrs as MomentsAttrs), momentum, samples };
    const made = trackedMomentsOp.node([moments.inputs[0]!, ...states], attrs, moments.label);
    moments.outputs.forEach((t, i) => {
      tensors.set(t, made.outputs[i] as Tensor);
    });
    updates.set(node, made);
  }
  return { tensors, updates };
}

function unshaped(t: Tensor): Tensor {
  return t.node.op.view === "reshape" ? unshaped(t.node.inputs[0] as Tensor) : t;
}
