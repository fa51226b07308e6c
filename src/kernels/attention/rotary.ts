/** The kernel of rotary position embeddings. */
import type { KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";
import { oneDispatch } from "../one-dispatch.ts";

const code = () => import("../../../shaders/attention/rotary.wgsl?raw");
const shader = /* @__PURE__ */ new Shader("rotary.wgsl", code, specialFunctions);

export const rotaryKernels = ({ COUNT }: { readonly COUNT: number }): KernelPlan =>
  oneDispatch(shader, "rotary", ["x", "table", "positions", "y"], COUNT);
