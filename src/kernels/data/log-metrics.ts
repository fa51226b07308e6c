/** The kernel that logs the metrics of a step in a ring buffer on the device. */
import type { KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";

const code = () => import("../../../shaders/data/log-metrics.wgsl?raw");

const shader = new Shader("log-metrics.wgsl", code);

/** Most tensors of one row: with ring and step, as many bindings as every WebGPU device has. An alarm takes the place of one. */
export const MAX_LOGGED = 6;

/** One invocation logs few elements, one workgroup many. */
export function logMetricsKernels({
  TOTAL,
  ALARMED,
}: {
  readonly TOTAL: number;
  readonly ALARMED: boolean;
}): KernelPlan {
  const entry = `${TOTAL > MAX_LOGGED ? "logMany" : "logFew"}${ALARMED ? "Alarmed" : ""}`;
  const values = Array.from({ length: MAX_LOGGED - Number(ALARMED) }, (_, i) => `v${i}`);
  const bind = ["ring", "step", ...(ALARMED ? ["alarm"] : []), ...values];
  return { kernels: [{ shader, entry, bind, groups: [1] }] };
}
