/** Kernels of reductions over any axes: sums, extrema, products, and the Euclidean norm of a whole tensor. */
import { type ReductionGeometry, reductionParts } from "../../geometry/reduction.ts";
import { type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";

const functions = () => import("../../../shaders/reduce/reduction-functions.wgsl?raw");
const sum = () => import("../../../shaders/reduce/sum.wgsl?raw");
const extrema = () => import("../../../shaders/reduce/reduce.wgsl?raw");
const norm = () => import("../../../shaders/reduce/norm.wgsl?raw");

const sumShader = /* @__PURE__ */ new Shader("sum.wgsl", sum, functions);
const reduceShader = /* @__PURE__ */ new Shader("reduce.wgsl", extrema, functions, specialFunctions);
const normShader = /* @__PURE__ */ new Shader("norm.wgsl", norm);

/** y = scale * sum of x. */
export function sumKernels(g: ReductionGeometry): KernelPlan {
  return reduction(sumShader, "sum", g);
}

/** y = the largest, the smallest or the product of x, by the constant KIND. */
export function reduceKernels(g: ReductionGeometry): KernelPlan {
  return reduction(reduceShader, "reduce", g);
}

/** One dispatch, or two where rows are reduced in several parts. */
function reduction(shader: Shader, entry: string, g: ReductionGeometry): KernelPlan {
  const { PARTS, CHUNK, groups } = reductionParts(g);
  const constants = { PARTS, CHUNK };
  if (PARTS === 1) return { kernels: [{ shader, entry, constants, groups, bind: ["x", "y"] }] };
  const all = spread(Math.ceil(g.KEPT / 64));
  return {
    scratch: { partial: g.KEPT * PARTS },
    kernels: [
      { shader, entry, constants, groups, bind: ["x", ["y", "partial"]] },
      { shader, entry: "combine", constants, groups: all, bind: ["partial", "y"] },
    ],
  };
}

/** y = the root of the sum of the squares of COUNT values. */
export function normKernels({ COUNT }: { readonly COUNT: number }): KernelPlan {
  // Parts of at least 16 vec4s, and no more parts than the last workgroup adds quickly.
  const PARTS = Math.max(1, Math.min(Math.ceil(COUNT / 64), 8192));
  const [shader, constants, groups] = [normShader, { PARTS }, [Math.ceil(PARTS / 64)] as const];
  return {
    scratch: { partial: PARTS },
    kernels: [
      { shader, constants, groups, entry: "squares", bind: ["x", ["sums", "partial"]] },
      { shader, constants, groups: [1], entry: "root", bind: ["partial", "y"] },
    ],
  };
}
