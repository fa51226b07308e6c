/**
 * How reductions that line-functions.wgsl serves are dispatched: moments, and the sums of a normalisation's gradient.
 */

import { type ReductionGeometry, reductionParts } from "../../geometry/reduction.ts";
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import type { Shader } from "../../graph/shader.ts";

/** Elements that kernels of line-functions.wgsl take at a time: 4 where every row is contiguous and made of such. */
export function unitOf({
  K1,
  K2,
  R1,
  R2,
  SK0,
  SK1,
  SK2,
  SR0,
  SR1,
  SR2,
  KEPT,
  REDUCED,
}: ReductionGeometry): 1 | 4 {
  const steps = [
    KEPT > K1 * K2 ? SK0 : 0,
    K1 > 1 ? SK1 : 0,
    K2 > 1 ? SK2 : 0,
    REDUCED > R1 * R2 ? SR0 : 0,
    R1 > 1 ? SR1 : 0,
  ];
  return SR2 === 1 && R2 % 4 === 0 && steps.every((step) => step % 4 === 0) ? 4 : 1;
}

/** Entry points of a reduction of lines: `whole`, `${whole}Part` and `combine`, `${whole}Shared`. */
export interface LineEntries {
  readonly shader: Shader;
  readonly whole: string;
  readonly part: string;
  readonly combine: string;
  readonly shared: string;
  /** What the first stage reads, and writes by the way. */
  readonly from: Kernel["bind"];
  /** What the last one reads and writes beside the parts. */
  readonly to: Kernel["bind"];
}

export const lineVariants = ["parts", "shared", "narrow"];

/**
 * A workgroup per line, of as many lanes as it is long (`"shared"`) or of 8 (`"narrow"`), or one invocation per line or
 * part of it and then their combination (`"parts"`). Parts come as vec2 in scratch, `partial` to the one and `parts` to
 * the other stage.
 */
export function lineKernels(
  g: ReductionGeometry,
  env: KernelEnv,
  { shader, whole, part, combine, shared, from, to }: LineEntries,
): KernelPlan {
  const UNIT = unitOf(g);
  const bind = [...from, ...to];
  const { PARTS, groups } = reductionParts(g, env.software ? 1024 : 8192);
  const variant = env.variant ?? usual(g, env, PARTS);
  if (variant !== "parts") {
    const constants = { PARTS: variant === "narrow" ? 8 : lanesFor(g.REDUCED / UNIT, env), UNIT };
    return { kernels: [{ shader, entry: shared, constants, bind, groups: spread(g.KEPT) }] };
  }
  const constants = { PARTS, UNIT };
  const all = spread(Math.ceil(g.KEPT / 64));
  if (PARTS === 1) return { kernels: [{ shader, entry: whole, constants, bind, groups: all }] };
  return {
    scratch: { partial: 2 * g.KEPT * PARTS },
    kernels: [
      { shader, entry: part, constants, bind: [...from, "partial"], groups },
      { shader, entry: combine, constants, bind: [["parts", "partial"], ...to], groups: all },
    ],
  };
}

/**
 * On processors few lines keep all cores busy, and a barrier for each costs less than a second dispatch. On a chip the
 * lanes of a workgroup read side by side.
 */
function usual({ KEPT, REDUCED }: ReductionGeometry, { software }: KernelEnv, parts: number): string {
  if (software) return parts > 1 && KEPT >= 4 ? "narrow" : "parts";
  return KEPT >= 16 && REDUCED >= 32 ? "shared" : "parts";
}

/** A power of 2 from 32 on: some units for each lane. */
function lanesFor(units: number, { maxWorkgroupSize }: KernelEnv): number {
  let lanes = 32;
  while (lanes * 4 <= units && lanes * 2 <= Math.min(256, maxWorkgroupSize)) lanes *= 2;
  return lanes;
}
