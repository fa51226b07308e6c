/** Kernels of mean, variance and reciprocal standard deviation, with or without the update of running statistics. */
import type { ReductionGeometry } from "../../geometry/reduction.ts";
import type { KernelEnv, KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { rowFunctions, rowKernels } from "./rows.ts";

const code = () => import("../../../shaders/reduce/moments.wgsl?raw");

const shader = new Shader("moments.wgsl", code, ...rowFunctions);

/** (x) -> mean, variance, rstd. */
export function momentsKernels(g: ReductionGeometry, env: KernelEnv): KernelPlan {
  return plan(g, env, "", []);
}

/** The same, and runningMean, runningVar and count are updated. */
export function trackedMomentsKernels(g: ReductionGeometry, env: KernelEnv): KernelPlan {
  return plan(g, env, "Tracked", ["runningMean", "runningVar", "count"]);
}

function plan(g: ReductionGeometry, env: KernelEnv, tracked: string, states: readonly string[]): KernelPlan {
  return rowKernels(g, env, {
    shader,
    whole: `moments${tracked}`,
    part: "momentsPart",
    combine: `combineMoments${tracked}`,
    shared: `moments${tracked}Shared`,
    from: ["x"],
    to: ["mean", "variance", "rstd", ...states],
  });
}
