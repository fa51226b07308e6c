/**
 * How the kernels that reduce rows through row-kernels.wgsl are dispatched: moments, and the sums of a normalisation's gradient.
 * A row is the REDUCED elements of one kept position.
 */

import { type ReductionGeometry, reductionParts } from "../../geometry/reduction.ts";
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader, type ShaderSource } from "../../graph/shader.ts";
import { oneDispatch } from "../one-dispatch.ts";

const rows = () => import("../../../shaders/reduce/row-kernels.wgsl?raw");
const functions = () => import("../../../shaders/reduce/reduction-functions.wgsl?raw");

/** The shader of a reduction of rows: row-kernels.wgsl, and `sources`, which define what a row is reduced to. */
export function rowShader(file: string, ...sources: readonly ShaderSource[]): Shader {
  return new Shader(file, ...sources, rows, functions);
}

/** Elements that a kernel reads at a time: 4 where all contiguous runs begin at multiples of 4 and are made of such, else 1. */
export function unitOf(g: ReductionGeometry): 1 | 4 {
  const strides = [
    g.KEPT > g.K1 * g.K2 ? g.SK0 : 0,
    g.K1 > 1 ? g.SK1 : 0,
    g.K2 > 1 ? g.SK2 : 0,
    g.REDUCED > g.R1 * g.R2 ? g.SR0 : 0,
    g.R1 > 1 ? g.SR1 : 0,
  ];
  return g.SR2 === 1 && g.R2 % 4 === 0 && strides.every((stride) => stride % 4 === 0) ? 4 : 1;
}

export const ROW_VARIANTS = ["parts", "shared", "shared8"];

/**
 * `shared`: one workgroup per row, with as many invocations as the row is long; `shared8`: with 8. `parts`: one invocation per row, or
 * one per part of a row and then a dispatch that combines the parts. `from`: what the first dispatch reads, and results that it
 * writes on the way; `to`: what the last one reads and writes.
 */
export function rowKernels(
  shader: Shader,
  g: ReductionGeometry,
  env: KernelEnv,
  from: Kernel["bind"],
  to: Kernel["bind"],
): KernelPlan {
  const UNIT = unitOf(g);
  const bind = [...from, ...to];
  const { PARTS, groups } = reductionParts(g, env.parallelism === "low" ? 1024 : 8192);
  const variant = env.variant ?? defaultVariant(g, env, PARTS);
  if (variant !== "parts") {
    const constants = { PARTS: variant === "shared8" ? 8 : lanesFor(g.REDUCED / UNIT, env), UNIT };
    return { kernels: [{ shader, entry: "sharedRows", constants, bind, groups: spread(g.KEPT) }] };
  }
  const constants = { PARTS, UNIT };
  if (PARTS === 1) return oneDispatch(shader, "rows", bind, g.KEPT, constants);
  const all = spread(Math.ceil(g.KEPT / 64));
  return {
    scratch: { partial: 2 * g.KEPT * PARTS },
    kernels: [
      { shader, entry: "parts", constants, bind: [...from, "partial"], groups },
      { shader, entry: "combine", constants, bind: [["partials", "partial"], ...to], groups: all },
    ],
  };
}

/**
 * A few rows keep a few CPU cores busy, and a barrier per row costs less than a second dispatch. On a GPU the invocations of a
 * workgroup read contiguous memory.
 */
function defaultVariant(
  { KEPT, REDUCED }: ReductionGeometry,
  { parallelism }: KernelEnv,
  parts: number,
): string {
  if (parallelism === "low") return parts > 1 && KEPT >= 4 ? "shared8" : "parts";
  return KEPT >= 16 && REDUCED >= 32 ? "shared" : "parts";
}

/** A power of 2 from 32 on, such that every invocation has some units to read. */
function lanesFor(units: number, { maxWorkgroupSize }: KernelEnv): number {
  let lanes = 32;
  while (lanes * 4 <= units && lanes * 2 <= Math.min(256, maxWorkgroupSize)) lanes *= 2;
  return lanes;
}
