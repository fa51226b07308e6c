/**
 * Mean, variance and 1 / standard deviation over any axes in one go: what batchNorm, layerNorm, groupNorm and rmsNorm
 * are made of. float32.
 */

import {
  type ReductionGeometry,
  reducedSpec,
  reductionGeometry,
  reductionPlace,
} from "../../geometry/reduction.ts";
import type { KernelEnv, KernelPlan } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, shapeError } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import { type Spec, sizeOf } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { lineKernels, lineVariants } from "../../kernels/reduce/lines.ts";
import { add, mul, sub } from "../elementwise/arithmetic.ts";
import { expand } from "./sum.ts";

const code = () => import("../../../shaders/reduce/moments.wgsl?raw");
const lines = () => import("../../../shaders/reduce/line-functions.wgsl?raw");
const functions = () => import("../../../shaders/reduce/reduction-functions.wgsl?raw");

const shader = new Shader("moments.wgsl", code, lines, functions);

export interface MomentsAttrs {
  /** Axes that statistics are taken over, ascending. */
  readonly axes: readonly number[];
  /** Added to the variance under the root. */
  readonly eps: number;
  /** False: distances are from 0, not from the mean. */
  readonly centred: boolean;
}

const results = ["mean", "variance", "rstd"] as const;

/** `Tracked`: entry points that move running statistics, which are `states`. */
export function momentsKernels(
  g: ReductionGeometry,
  env: KernelEnv,
  tracked: "" | "Tracked" = "",
  [x, ...states]: KernelPlan["kernels"][0]["bind"] = ["x"],
): KernelPlan {
  return lineKernels(g, env, {
    shader,
    whole: `moments${tracked}`,
    part: "momentsPart",
    combine: `combineMoments${tracked}`,
    shared: `moments${tracked}Shared`,
    from: [x!],
    to: [...results, ...states],
  });
}

/** Outputs and constants of ops that take moments; throws ShapeError naming `op`. */
export function momentsPlan(op: string, x: Spec | undefined, { axes, eps, centred }: MomentsAttrs) {
  if (x?.dtype !== "f32") throw shapeError(op, "input must be f32", x ? [x] : []);
  const one = reducedSpec(x, axes);
  return {
    outputs: [one, one, one],
    constants: { ...reductionGeometry(op, x, axes), eps, CENTRED: Number(centred) },
  };
}

/** (x) -> mean, variance (biased), rstd; reduced axes stay as 1. */
export const momentsOp: DefinedOp<MomentsAttrs> = defineOp({
  name: "moments",
  args: ["x"],
  results,
  variants: lineVariants,
  plan: ([x], attrs: MomentsAttrs) => momentsPlan("moments", x, attrs),
  cpu({ x, mean, variance, rstd }, g) {
    const { KEPT, REDUCED, eps, CENTRED } = g as ReductionGeometry & { eps: number; CENTRED: number };
    for (let k = 0; k < KEPT; k++) {
      let m = 0;
      for (let r = 0; r < REDUCED && CENTRED === 1; r++) m += x[reductionPlace(g, k, r)]! / REDUCED;
      let v = 0;
      for (let r = 0; r < REDUCED; r++) v += (x[reductionPlace(g, k, r)]! - m) ** 2 / REDUCED;
      mean[k] = m;
      variance[k] = v;
      rstd[k] = 1 / Math.sqrt(v + eps);
    }
  },
  kernels: (g, env) => momentsKernels(g, env),
  // dx = (dmean + (2 dvariance - drstd rstd³) (x - mean)) / n
  backward: ({ inputs: [x], outputs: [mean, , rstd], grads: [dmean, dvariance, drstd], attrs }) => {
    const n = sizeOf(attrs.axes.map((axis) => x!.shape[axis]!));
    const ofRoot = drstd && mul(mul(drstd, mul(mul(rstd!, rstd!), rstd!)), -1);
    const ofSquares = both(dvariance && mul(dvariance, 2), ofRoot);
    const throughSquares = ofSquares && mul(sub(x!, mean!), mul(ofSquares, 1 / n));
    const throughMean = attrs.centred && dmean ? mul(expand(dmean, x!.shape), 1 / n) : undefined;
    return [both(throughMean, throughSquares)];
  },
});

/** a + b where both are there. */
export function both(a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined {
  return a !== undefined && b !== undefined ? add(a, b) : (a ?? b);
}
