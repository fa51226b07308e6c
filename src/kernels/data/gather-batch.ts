/** The kernel that forms the batch of a step from a data set on the device. */
import { type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { batchRow } from "./batch-order.ts";

const code = () => import("../../../shaders/data/gather-batch.wgsl?raw");
const shader = new Shader("gather-batch.wgsl", code, ...batchRow);

/** How much of a sample each invocation copies: 32 elements or vec4s, or 2. */
export const GATHER_BATCH_VARIANTS = ["long", "short"];

/** LANES invocations share each of B rows of SIZE elements, four at a time where rows are whole vec4s of numbers. */
export function gatherBatchKernels(
  { SIZE, B, WHOLE }: { readonly SIZE: number; readonly B: number; readonly WHOLE: boolean },
  env: KernelEnv,
): KernelPlan {
  const vector = SIZE % 4 === 0 && !WHOLE;
  const parts = vector ? SIZE / 4 : SIZE;
  // Every invocation computes the permutation: expensive on a few CPU cores, while a GPU should have all its lanes busy.
  const variant = env.variant ?? (env.parallelism === "low" ? "long" : "short");
  const LANES = Math.ceil(parts / (variant === "long" ? 32 : 2));
  const [entry, x] = WHOLE
    ? (["whole", "words"] as const)
    : vector
      ? (["vector", "x4"] as const)
      : (["scalar", "x"] as const);
  return {
    kernels: [
      {
        shader,
        entry,
        bind: ["inputs", "targets", "step", "key", "channels", [x, "x"], "y", "weights"],
        constants: { LANES },
        groups: spread(Math.ceil((B * LANES) / 64)),
      },
    ],
  };
}
