/**
 * Mean, variance and 1 / standard deviation over any axes in one go, and the two sums that the gradient of a
 * normalisation needs. What batchNorm, layerNorm, groupNorm and rmsNorm are made of. float32.
 */
import { type DefinedOp, defineOp, type KernelEnv, type KernelPlan, shapeError, spread } from "../op.ts";
import { Shader } from "../shader.ts";
import { sameShape, sizeOf, type Tensor } from "../tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { expand } from "./copy.ts";
import {
  type ReductionGeometry,
  reducedSpec,
  reductionGeometry,
  reductionParts,
  reductionPlace,
} from "./reduction-geometry.ts";
import { sum, sumTo } from "./sum.ts";

const code = () => import("../../shaders/moments.wgsl?raw");
const functions = () => import("../../shaders/reduction-functions.wgsl?raw");

const shader = new Shader("moments.wgsl", code, functions);

type Bind = KernelPlan["kernels"][0]["bind"];

export interface MomentsAttrs {
  /** Axes that statistics are taken over, ascending. */
  readonly axes: readonly number[];
  /** Added to the variance under the root. */
  readonly eps: number;
  /** False: distances are from 0, not from the mean. */
  readonly centred: boolean;
}

const variants = ["parts", "shared"];

/** A workgroup per line, or one invocation per line or part of it and then their combination. */
function kernels(
  g: ReductionGeometry,
  env: KernelEnv,
  [entry, combine]: readonly [string, string],
  from: Bind,
  to: Bind,
): KernelPlan {
  const bind = [...from, ...to];
  // Lines as many as fill a chip, long enough for the lanes of a workgroup to read side by side.
  const shared = !env.software && g.KEPT >= 256 && g.REDUCED >= 32;
  if ((env.variant ?? (shared ? "shared" : "parts")) === "shared") {
    const constants = { PARTS: env.software ? 16 : g.REDUCED < 512 ? 32 : 64 };
    return { kernels: [{ shader, entry: `${entry}Shared`, constants, bind, groups: spread(g.KEPT) }] };
  }
  const { PARTS, CHUNK, groups } = reductionParts(g, env.software ? 1024 : 8192);
  const constants = { PARTS, CHUNK };
  const all = spread(Math.ceil(g.KEPT / 64));
  if (PARTS === 1) return { kernels: [{ shader, entry, constants, bind, groups: all }] };
  return {
    scratch: { partial: 2 * g.KEPT * PARTS },
    kernels: [
      { shader, entry: `${entry}Part`, constants, bind: [...from, "partial"], groups },
      { shader, entry: combine, constants, bind: [["parts", "partial"], ...to], groups: all },
    ],
  };
}

/** (x) -> mean, variance (biased), rstd; reduced axes stay as 1. */
export const momentsOp: DefinedOp<MomentsAttrs> = defineOp({
  name: "moments",
  args: ["x"],
  results: ["mean", "variance", "rstd"],
  variants,
  plan([x], { axes, eps, centred }: MomentsAttrs) {
    if (x?.dtype !== "f32") throw shapeError("moments", "input must be f32", x ? [x] : []);
    const one = reducedSpec(x, axes);
    return {
      outputs: [one, one, one],
      constants: { ...reductionGeometry("moments", x, axes), eps, CENTRED: Number(centred) },
    };
  },
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
  kernels: (g, env) => kernels(g, env, ["moments", "combineMoments"], ["x"], ["mean", "variance", "rstd"]),
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

function both(a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined {
  return a !== undefined && b !== undefined ? add(a, b) : (a ?? b);
}

/** (dy, x, mean?, rstd?) -> Σ dy, Σ dy (x - mean) rstd over `axes`, which stay as 1. */
export const normSumsOp: DefinedOp<{ readonly axes: readonly number[] }> = defineOp({
  name: "normSums",
  args: ["dy", "x", "mean", "rstd"],
  results: ["sumDy", "sumDyXhat"],
  variants,
  plan(inputs, { axes }: { readonly axes: readonly number[] }) {
    const [dy, x, mean, rstd = mean] = inputs;
    const one = reducedSpec(dy!, axes);
    const fits =
      sameShape(dy!.shape, x!.shape) && [mean, rstd].every((s) => !s || sameShape(s.shape, one.shape));
    if (!fits || inputs.some((s) => s.dtype !== "f32")) {
      throw shapeError("normSums", "dy and x must be alike, mean and rstd their reduction, f32", inputs);
    }
    const STATS = Number(mean !== undefined);
    return { outputs: [one, one], constants: { ...reductionGeometry("normSums", dy!, axes), STATS } };
  },
  cpu({ dy, x, mean, rstd, sumDy, sumDyXhat }, g) {
    for (let k = 0; k < g.KEPT; k++) {
      const [m, scale] = g.STATS === 1 ? [mean[k]!, rstd[k]!] : [0, 1];
      let [s, t] = [0, 0];
      for (let r = 0; r < g.REDUCED; r++) {
        const at = reductionPlace(g, k, r);
        s += dy[at]!;
        t += dy[at]! * (x[at]! - m) * scale;
      }
      sumDy[k] = s;
      sumDyXhat[k] = t;
    }
  },
  kernels(g, env) {
    // Without statistics their bindings take anything.
    const stats = g.STATS === 1 ? ["mean", "rstd"] : ["x", "x"];
    const from: Bind = ["dy", "x", ["means", stats[0]!], ["rstds", stats[1]!]];
    return kernels(g, env, ["sums", "combineSums"], from, ["sumDy", "sumDyXhat"]);
  },
  backward: ({ inputs: [dy, x, mean, rstd], grads: [d, dXhat], needs, attrs: { axes } }) => {
    const centred = mean === undefined ? x! : sub(x!, mean);
    const scaled = (t: Tensor) => (rstd === undefined ? t : mul(t, rstd));
    // What reaches (x - mean) and rstd: dXhat dy, times the other.
    const product = dXhat && mul(dXhat, dy!);
    const stats = (t: Tensor) => sum(t, { axes, keepDims: true });
    return [
      needs[0] ? both(d && expand(d, dy!.shape), dXhat && scaled(mul(centred, dXhat))) : undefined,
      needs[1] ? product && scaled(product) : undefined,
      needs[2] ? product && stats(mul(scaled(product), -1)) : undefined,
      needs[3] ? product && sumTo(stats(mul(product, centred)), rstd!.shape) : undefined,
    ];
  },
});
