/** Kernels of mean, variance and reciprocal standard deviation, with or without the update of running statistics. */
import type { ReductionGeometry } from "../../geometry/reduction.ts";
import type { KernelEnv, KernelPlan } from "../../graph/kernel.ts";
import { rowKernels, rowShader } from "./rows.ts";

const moments = () => import("../../../shaders/reduce/moments.wgsl?raw");
const tracked = () => import("../../../shaders/reduce/tracked-moments.wgsl?raw");

const store = "fn store(k: u32, m: vec2<f32>) { storeMoments(k, m); }";
const shader = rowShader("moments.wgsl", moments, store);
const trackedShader = rowShader("tracked-moments.wgsl", moments, tracked);

const results = ["mean", "variance", "rstd"];

/** (x) -> mean, variance, rstd. */
export function momentsKernels(g: ReductionGeometry, env: KernelEnv): KernelPlan {
  return rowKernels(shader, g, env, ["x"], results);
}

/** The same, and runningMean, runningVar and count are updated. */
export function trackedMomentsKernels(g: ReductionGeometry, env: KernelEnv): KernelPlan {
  return rowKernels(trackedShader, g, env, ["x"], [...results, "runningMean", "runningVar", "count"]);
}
