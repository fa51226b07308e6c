/** Kernels of losses that are a weighted mean over elements: squared difference, binary cross-entropy. */
import type { KernelEnv, KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { mathFunctions, specialFunctions } from "../elementwise/wgsl-functions.ts";

const code = () => import("../../../shaders/loss/mean-losses.wgsl?raw");

const shader = new Shader("mean-losses.wgsl", code, specialFunctions, mathFunctions);

/**
 * `single`: one workgroup does everything. `parts`: three dispatches for the sum of the weights, the elements and the mean. N samples of
 * ROW elements.
 */
export function meanLossKernels(
  { N, ROW }: { readonly N: number; readonly ROW: number },
  env: KernelEnv,
): KernelPlan {
  const size = N * ROW;
  const constants = {
    LANES: env.barrierCost === "high" ? 64 : Math.min(256, env.maxWorkgroupSize),
    PARTS: Math.min(Math.ceil(size / 16), 16384),
  };
  const one = { shader, constants, groups: [1] } as const;
  const given = ["x", ["goal", "target"], "weights", "dx"] as const;
  if ((env.variant ?? (size <= 16384 ? "single" : "parts")) === "single") {
    return { kernels: [{ ...one, entry: "single", bind: [...given, "loss", "count"] }] };
  }
  const groups = [Math.ceil(constants.PARTS / 64)] as const;
  return {
    scratch: { partial: constants.PARTS },
    kernels: [
      { ...one, entry: "countRows", bind: ["weights", "count"] },
      { ...one, entry: "parts", bind: [...given, "partial", ["counted", "count"]], groups },
      { ...one, entry: "total", bind: [["partials", "partial"], ["counted", "count"], "loss"] },
    ],
  };
}
