/** The kernel plan of ops that run as one dispatch of workgroups of 64, which most do. */
import { type Kernel, type KernelPlan, spread } from "../graph/kernel.ts";
import type { Shader } from "../graph/shader.ts";

/** At least `invocations` invocations of `entry`, in workgroups of 64. */
export function oneDispatch(
  shader: Shader,
  entry: string,
  bind: Kernel["bind"],
  invocations: number,
  constants: NonNullable<Kernel["constants"]> = {},
): KernelPlan {
  return { kernels: [{ shader, entry, bind, constants, groups: spread(Math.ceil(invocations / 64)) }] };
}
