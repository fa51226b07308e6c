/** How work on the vec4s of a tensor is divided where nothing is generated: random numbers. */
import { type KernelEnv, spread } from "../../graph/kernel.ts";

/** Many vec4s per invocation, or one. */
export const GRID_VARIANTS = ["long", "short"] as const;

/** vec4s per invocation and workgroups of 64 invocations for `count` values. */
export function vectorGrid(count: number, env: KernelEnv) {
  // On a few CPU cores it pays to share what every invocation computes first; a GPU needs all the invocations it gets.
  const variant = env.variant ?? (env.parallelism === "low" ? "long" : "short");
  const PER = variant === "long" ? 16 : count > 2 ** 22 ? 4 : 1;
  return { PER, groups: spread(Math.ceil(count / (4 * 64 * PER))) };
}
