/** Kernels of random tensors, dropout and random affine maps. */
import type { KernelEnv, KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { vectorGrid } from "../elementwise/grid.ts";
import { oneDispatch } from "../one-dispatch.ts";

const random = () => import("../../../shaders/random/random.wgsl?raw");
const affine = () => import("../../../shaders/random/draw-affine.wgsl?raw");
/** WGSL: `threefry2x32`. */
export const randomFunctions = () => import("../../../shaders/random/random-functions.wgsl?raw");

const shader = /* @__PURE__ */ new Shader("random.wgsl", random, randomFunctions);
const affineShader = /* @__PURE__ */ new Shader("draw-affine.wgsl", affine, randomFunctions);

/** What `kind` asks for: "uniform", "normal", "bernoulli" or "choice". */
export function drawKernels(
  { kind, COUNT }: { readonly kind: string; readonly COUNT: number },
  env: KernelEnv,
): KernelPlan {
  const bind = kind === "choice" ? ["step", "key", "values", "y"] : ["step", "key", "y"];
  return plan(kind === "uniform" ? "uniform_" : kind, bind, COUNT, env);
}

export function dropoutKernels({ COUNT }: { readonly COUNT: number }, env: KernelEnv): KernelPlan {
  return plan("dropout", ["x", "step", "key", "y"], COUNT, env);
}

function plan(entry: string, bind: readonly string[], count: number, env: KernelEnv): KernelPlan {
  const { PER, groups } = vectorGrid(count, env);
  return { kernels: [{ shader, entry, bind, constants: { PER }, groups }] };
}

/** One invocation per sample. */
export function drawAffineKernels({ N }: { readonly N: number }): KernelPlan {
  return oneDispatch(affineShader, "draw", ["ranges", "step", "key", "theta"], N);
}
