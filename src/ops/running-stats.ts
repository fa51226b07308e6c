/**
 * The update that carries a batch's statistics over into running ones, as torch.nn.BatchNorm has it; where nobody else
 * has to do with them, by the kernel that takes the statistics.
 */
import { type DefinedOp, defineOp, expectSpec, type GraphView, type Replaced, shapeError } from "../op.ts";
import { Shader } from "../shader.ts";
import { isLeaf, type Node, sizeOf, type Tensor } from "../tensor.ts";
import { lineVariants } from "./line-kernels.ts";
import { type MomentsAttrs, momentsKernels, momentsOp, momentsPlan } from "./moments.ts";
import type { ReductionGeometry } from "./reduction-geometry.ts";

const code = () => import("../../shaders/running-stats.wgsl?raw");

const shader = new Shader("running-stats.wgsl", code);

interface Attrs {
  /** Share of the new batch; null for the average of all batches so far. */
  readonly momentum: number | null;
  /** Values that the batch's statistics were taken of. */
  readonly samples: number;
}

export const runningStatsOp: DefinedOp<Attrs> = defineOp({
  name: "runningStats",
  args: ["runningMean", "runningVar", "count", "mean", "variance"],
  results: [],
  mutates: ["runningMean", "runningVar", "count"],
  follows: true,
  rewrite: fuseRunningStats,
  plan(inputs, { momentum, samples }: Attrs) {
    const [runningMean, runningVar, count, mean, variance] = inputs;
    const C = runningMean!.shape[0]!;
    for (const [i, s] of [runningMean, runningVar, mean, variance].entries()) {
      const name = ["runningMean", "runningVar", "mean", "variance"][i]!;
      if (expectSpec("runningStats", name, s, 1).shape[0] !== C) {
        throw shapeError("runningStats", "all must have one value per channel", inputs);
      }
    }
    if (count?.dtype !== "i32" || sizeOf(count.shape) !== 1) {
      throw shapeError("runningStats", "count must be one i32", inputs);
    }
    if (!(samples > 1)) throw shapeError("runningStats", "needs more than one value per channel", inputs);
    return {
      outputs: [],
      constants: {
        C,
        momentum: momentum ?? 0,
        CUMULATIVE: momentum === null,
        unbias: samples / (samples - 1),
      },
    };
  },
  cpu({ runningMean, runningVar, count, mean, variance }, { C, momentum, CUMULATIVE, unbias }) {
    const f = CUMULATIVE ? 1 / (count[0]! + 1) : momentum;
    for (let c = 0; c < C; c++) {
      runningMean[c] = (1 - f) * runningMean[c]! + f * mean[c]!;
      runningVar[c] = (1 - f) * runningVar[c]! + f * variance[c]! * unbias;
    }
    count[0]! += 1;
  },
  kernels: () => ({
    kernels: [
      {
        shader,
        entry: "update",
        bind: ["runningMean", "runningVar", "count", "mean", "variance"],
        groups: [1],
      },
    ],
  }),
});

interface TrackedAttrs extends MomentsAttrs {
  readonly momentum: number;
  readonly samples: number;
}

/** Both in one: moments of x, and running statistics that move towards them by `momentum`. */
export const trackedMomentsOp: DefinedOp<TrackedAttrs> = defineOp({
  name: "moments",
  args: ["x", "runningMean", "runningVar", "count"],
  results: ["mean", "variance", "rstd"],
  mutates: ["runningMean", "runningVar", "count"],
  follows: true,
  variants: lineVariants,
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
  kernels: (g, env) =>
    momentsKernels(g as unknown as ReductionGeometry, env, "Tracked", [
      "x",
      "runningMean",
      "runningVar",
      "count",
    ]),
});

/** Finds moments whose only use by a running average is one that has its states for itself. */
function fuseRunningStats(graph: GraphView): Replaced {
  const tensors = new Map<Tensor, Tensor>();
  const updates = new Map<Node, Node>();
  for (const node of graph.nodes) {
    if (node.op !== runningStatsOp) continue;
    const { momentum, samples } = node.attrs as Attrs;
    const states = node.inputs.slice(0, 3);
    const [mean, variance] = node.inputs.slice(3).map(unshaped) as [Tensor, Tensor];
    const moments = mean.node;
    const own = states.every((t) => isLeaf(t) && graph.users(t).length === 1);
    const belongs = moments.op === momentsOp && moments.outputs[1] === variance && mean.index === 0;
    // The average of all batches needs their number in every workgroup, one of which would change it.
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

/**
 * An update: moves `runningMean` and `runningVar` (f32 [C]) towards a batch's `mean` and biased `variance` of `samples`
 * values each, and `count` (one i32) on by 1. Throws ShapeError.
 */
export function updateRunningStats(
  running: { readonly mean: Tensor; readonly variance: Tensor; readonly count: Tensor },
  batch: { readonly mean: Tensor; readonly variance: Tensor; readonly samples: number },
  momentum: number | null = 0.1,
): Node {
  const { samples } = batch;
  return runningStatsOp.node([running.mean, running.variance, running.count, batch.mean, batch.variance], {
    momentum,
    samples,
  });
}
