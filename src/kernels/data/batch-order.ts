/** The kernel that computes which samples are in the batch of a step. */
import type { KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { oneDispatch } from "../one-dispatch.ts";

const code = () => import("../../../shaders/data/batch-order.wgsl?raw");
const order = () => import("../../../shaders/data/order-functions.wgsl?raw");
const row = () => import("../../../shaders/data/batch-row-fragment.wgsl?raw");

/** For kernels that call `rowOf`. */
export const batchRow = [order, row] as const;

const shader = new Shader("batch-order.wgsl", code, ...batchRow);

export const batchOrderKernels = ({ B }: { readonly B: number }): KernelPlan =>
  oneDispatch(shader, "batchOrder", ["step", "key", "samples", "weights"], B);
