/** The kernel of affineSample. */
import type { KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { oneDispatch } from "../one-dispatch.ts";

const code = () => import("../../../shaders/index/affine-sample.wgsl?raw");

const shader = new Shader("affine-sample.wgsl", code);

/** One invocation per pixel of the result, for all channels. */
export function affineSampleKernels(g: {
  readonly N: number;
  readonly OH: number;
  readonly OW: number;
}): KernelPlan {
  return oneDispatch(shader, "forward", ["x", "theta", "y"], g.N * g.OH * g.OW);
}
