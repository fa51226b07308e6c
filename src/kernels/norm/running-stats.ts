/** The kernel that updates the running statistics of batch norm. */
import type { KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";

const code = () => import("../../../shaders/norm/running-stats.wgsl?raw");

const shader = new Shader("running-stats.wgsl", code);

export function runningStatsKernels(): KernelPlan {
  const bind = ["runningMean", "runningVar", "count", "mean", "variance"];
  return { kernels: [{ shader, entry: "update", bind, groups: [1] }] };
}
