/** How the sums of a normalisation's gradient are dispatched, with a chain of pointwise ops in front or without. */

import type { ReductionGeometry } from "../../geometry/reduction.ts";
import type { Kernel, KernelEnv, KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { chainFunction, type Step } from "../elementwise/chain.ts";
import { lineKernels, unitOf } from "../reduce/lines.ts";

const code = () => import("../../../shaders/norm/norm-sums.wgsl?raw");
const lines = () => import("../../../shaders/reduce/line-functions.wgsl?raw");
const functions = () => import("../../../shaders/reduce/reduction-functions.wgsl?raw");

/** What norm-sums.wgsl leaves to the host. */
export interface SumsOf {
  /** Buffers of statistics, two at most, and WGSL of mean and rstd of line k from them. */
  readonly stats: readonly string[];
  readonly mean: string;
  readonly rstd: string;
  /** The incoming gradient: what the steps make of the inputs, and the buffer to store it in. */
  readonly steps: readonly Step[];
  readonly names: readonly string[];
  readonly result?: string;
  /** Bindings of all of these, and of x. */
  readonly from: Kernel["bind"];
}

/** Where generated declarations begin, behind those of norm-sums.wgsl. */
const BINDING = 5;

export function normSumsKernels(
  g: ReductionGeometry,
  env: KernelEnv,
  { stats, mean, rstd, steps, names, result, from }: SumsOf,
): KernelPlan {
  const buffers = stats.map(
    (name, i) => `@group(0) @binding(${BINDING + i}) var<storage, read> ${name}: array<f32>;\n`,
  );
  const statsOf = `fn statsOf(k: u32) -> vec2<f32> { return vec2(${mean}, ${rstd}); }\n`;
  const gradient = chainFunction("gradientAt", steps, names, {
    wide: unitOf(g) === 4,
    binding: BINDING + 2,
    ...(result === undefined ? {} : { result }),
  });
  const called = steps.flatMap((s) => s.functions ?? []);
  return lineKernels(g, env, {
    shader: new Shader(
      "norm-sums.wgsl",
      code,
      lines,
      functions,
      buffers.join("") + statsOf + gradient,
      ...called,
    ),
    whole: "sums",
    part: "sumsPart",
    combine: "combineSums",
    shared: "sumsShared",
    from,
    to: ["sumDy", "sumDyXhat"],
  });
}
