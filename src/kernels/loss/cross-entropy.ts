/** Kernels of losses over classes: the weighted mean of cross-entropies, and the targets that composed class losses use. */
import { type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";
import { oneDispatch } from "../one-dispatch.ts";

const crossEntropy = () => import("../../../shaders/loss/cross-entropy.wgsl?raw");
const crossEntropyRows = () => import("../../../shaders/loss/cross-entropy-rows.wgsl?raw");
const classTargets = () => import("../../../shaders/loss/class-targets.wgsl?raw");

const singleShader = /* @__PURE__ */ new Shader("cross-entropy.wgsl", crossEntropy, specialFunctions);
const rowsShader = /* @__PURE__ */ new Shader(
  "cross-entropy-rows.wgsl",
  crossEntropy,
  crossEntropyRows,
  specialFunctions,
);
const targetsShader = /* @__PURE__ */ new Shader("class-targets.wgsl", classTargets, specialFunctions);

/**
 * Rows are the N samples of C classes. `single`: one workgroup does everything, each invocation some of the rows. Otherwise three
 * dispatches: the sum of the weights, the rows (`rows`: one invocation per row, `wide`: one workgroup per row), the mean.
 */
export function crossEntropyKernels(
  { N, C }: { readonly N: number; readonly C: number },
  env: KernelEnv,
): KernelPlan {
  const fewCores = env.parallelism === "low";
  const wide = fewCores ? C > 64 * N : C > 256;
  const small = N * C <= (fewCores ? 32768 : 65536);
  const variant = env.variant ?? (wide ? "wide" : small ? "single" : "rows");
  const few = variant === "wide" ? 16 : 64;
  const many = variant === "wide" && C < 2048 ? 64 : Math.min(256, env.maxWorkgroupSize);
  const constants = { LANES: env.barrierCost === "high" ? few : many };
  const given = ["logits", "labels", "weights", "dlogits"];
  if (variant === "single") {
    const bind = [...given, "loss", "correct", "count"];
    return { kernels: [{ shader: singleShader, constants, entry: "single", bind, groups: [1] }] };
  }
  const one = { shader: rowsShader, constants, groups: [1] } as const;
  const bind = [...given, "rowSums", ["counted", "count"] as const];
  return {
    scratch: { rowSums: 2 * N },
    kernels: [
      { ...one, entry: "countRows", bind: ["labels", "weights", "count"] },
      variant === "rows"
        ? { ...one, entry: "rows", bind, groups: spread(Math.ceil(N / 64)) }
        : { ...one, entry: "wideRows", bind, groups: spread(N) },
      { ...one, entry: "total", bind: [["sums", "rowSums"], ["counted", "count"], "loss", "correct"] },
    ],
  };
}

/** One invocation per row; `soft` targets are probabilities. */
export function classTargetsKernels({ N, soft }: { readonly N: number; readonly soft: boolean }): KernelPlan {
  const labels = soft ? (["shares", "labels"] as const) : "labels";
  const bind = ["logits", labels, "weights", "classWeights", "targets", "counts", "norms", "hits"];
  return oneDispatch(targetsShader, soft ? "fromShares" : "fromLabels", bind, N);
}
