/** The kernels of swiglu and its gradient. */
import type { KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { oneDispatch } from "../one-dispatch.ts";
import { specialFunctions } from "./wgsl-functions.ts";

const code = () => import("../../../shaders/elementwise/swiglu.wgsl?raw");
const shader = new Shader("swiglu.wgsl", code, specialFunctions);

type Sizes = { readonly ROWS: number; readonly F: number };

export const swigluKernels = ({ ROWS, F }: Sizes): KernelPlan =>
  oneDispatch(shader, "swiglu", ["x", "y"], ROWS * F);

export const swigluBackwardKernels = ({ ROWS, F }: Sizes): KernelPlan =>
  oneDispatch(shader, "swigluBackward", ["x", "dy", "dx"], ROWS * F);
