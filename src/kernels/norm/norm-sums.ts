/** Kernels of the two sums in a normalisation's gradient, with or without the element-wise ops that compute the incoming gradient. */

import type { ReductionGeometry } from "../../geometry/reduction.ts";
import type { Kernel, KernelEnv, KernelPlan } from "../../graph/kernel.ts";
import { groupFunction, type Step } from "../elementwise/group.ts";
import { rowKernels, rowShader, unitOf } from "../reduce/rows.ts";

const code = () => import("../../../shaders/norm/norm-sums.wgsl?raw");

/** What is generated for norm-sums.wgsl. */
export interface SumsOf {
  /** Buffers of statistics, two at most, and WGSL of mean and rstd of row k from them. */
  readonly stats: readonly string[];
  readonly mean: string;
  readonly rstd: string;
  /** The incoming gradient: the steps that compute it from the inputs `names`, and the buffer to store it in. */
  readonly steps: readonly Step[];
  readonly names: readonly string[];
  readonly result?: string;
  /** Bindings of all these buffers, and of x. */
  readonly from: Kernel["bind"];
}

/** The first binding number of generated declarations, after those of row-kernels.wgsl. */
const BINDING = 6;

export function normSumsKernels(
  g: ReductionGeometry,
  env: KernelEnv,
  { stats, mean, rstd, steps, names, result, from }: SumsOf,
): KernelPlan {
  const buffers = stats.map(
    (name, i) => `@group(0) @binding(${BINDING + i}) var<storage, read> ${name}: array<f32>;\n`,
  );
  const statsOf = `fn statsOf(k: u32) -> vec2<f32> { return vec2(${mean}, ${rstd}); }\n`;
  const gradient = groupFunction("gradientAt", steps, names, {
    wide: unitOf(g) === 4,
    binding: BINDING + 2,
    ...(result === undefined ? {} : { result }),
  });
  const generated = buffers.join("") + statsOf + gradient;
  const shader = rowShader("norm-sums.wgsl", code, generated, ...steps.flatMap((s) => s.functions ?? []));
  return rowKernels(shader, g, env, from, ["sumDy", "sumDyXhat"]);
}
