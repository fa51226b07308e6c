/** Kernels of reductions over any axes: sums, extrema, products, and the Euclidean norm of a whole tensor. */
import { type ReductionGeometry, reductionParts } from "../../geometry/reduction.ts";
import { type Kernel, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import type { DType } from "../../graph/spec.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";

const functions = () => import("../../../shaders/reduce/reduction-functions.wgsl?raw");
const sum = () => import("../../../shaders/reduce/sum.wgsl?raw");
const extrema = () => import("../../../shaders/reduce/reduce.wgsl?raw");
const integers = () => import("../../../shaders/reduce/integer-reduce.wgsl?raw");
const norm = () => import("../../../shaders/reduce/norm.wgsl?raw");

const sumShader = /* @__PURE__ */ new Shader("sum.wgsl", sum, functions);
const reduceShader = /* @__PURE__ */ new Shader("reduce.wgsl", extrema, functions, specialFunctions);
const integerShader = /* @__PURE__ */ new Shader("integer-reduce.wgsl", integers, functions);
const normShader = /* @__PURE__ */ new Shader("norm.wgsl", norm);

/** What is reduced how: the constant KIND of reduce.wgsl and integer-reduce.wgsl. */
export const KINDS = { max: 0, min: 1, prod: 2, sum: 3 } as const;

/** y = scale * sum of x; the scale of integers is 1. */
export function sumKernels(g: ReductionGeometry, dtype: DType): KernelPlan {
  return dtype === "f32" ? reduction(sumShader, "sum", g) : integerKernels(g, dtype, KINDS.sum);
}

/** y = the largest, the smallest or the product of x. */
export function reduceKernels(g: ReductionGeometry, dtype: DType, KIND: number): KernelPlan {
  return dtype === "f32" ? reduction(reduceShader, "reduce", g) : integerKernels(g, dtype, KIND);
}

function integerKernels(g: ReductionGeometry, dtype: DType, KIND: number): KernelPlan {
  return reduction(integerShader, "reduce", g, { KIND, isSigned: dtype === "i32" });
}

/** One dispatch, or two where rows are reduced in several parts. */
function reduction(
  shader: Shader,
  entry: string,
  g: ReductionGeometry,
  more: NonNullable<Kernel["constants"]> = {},
): KernelPlan {
  const { PARTS, CHUNK, groups } = reductionParts(g);
  const constants = { ...more, PARTS, CHUNK };
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
