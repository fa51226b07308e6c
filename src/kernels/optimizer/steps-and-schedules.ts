/** What of training loops and optimizers is written in WGSL: the step counter, and functions of learning-rate schedules. */
import type { KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";

const increment = () => import("../../../shaders/optimizer/increment.wgsl?raw");

const incrementShader = /* @__PURE__ */ new Shader("increment.wgsl", increment);

/** counter += 1. */
export function incrementKernels(): KernelPlan {
  return { kernels: [{ shader: incrementShader, entry: "increment", bind: ["counter"], groups: [1] }] };
}

/** Functions that the expressions of learning-rate schedules call. */
export const scheduleFunctions = () => import("../../../shaders/optimizer/schedule-functions.wgsl?raw");
