/** The two sums that the gradient of a normalisation needs. float32. */

import { reducedSpec, reductionGeometry, reductionIndex } from "../../geometry/reduction.ts";
import { type DefinedOp, defineOp, shapeError } from "../../graph/op.ts";
import { sameShape } from "../../graph/spec.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { normSumsKernels } from "../../kernels/norm/norm-sums.ts";
import { ROW_VARIANTS } from "../../kernels/reduce/rows.ts";
import { mul, sub } from "../elementwise/arithmetic.ts";
import { both } from "../reduce/moments.ts";
import { expand, sum, sumTo } from "../reduce/sum.ts";

export interface SumsAttrs {
  readonly axes: readonly number[];
}

/** (dy, x, mean?, rstd?) -> Σ dy, Σ dy (x - mean) rstd over `axes`, which stay as 1. */
export const normSumsOp: DefinedOp<SumsAttrs> = defineOp({
  name: "normSums",
  args: ["dy", "x", "mean", "rstd"],
  results: ["sumDy", "sumDyXhat"],
  variants: ROW_VARIANTS,
  plan(inputs, { axes }: SumsAttrs) {
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
        const at = reductionIndex(g, k, r);
        s += dy[at]!;
        t += dy[at]! * (x[at]! - m) * scale;
      }
      sumDy[k] = s;
      sumDyXhat[k] = t;
    }
  },
  kernels(g, env) {
    const given = g.STATS === 1;
    return normSumsKernels(g, env, {
      stats: given ? ["mean", "rstd"] : [],
      mean: given ? "mean[k]" : "0.0",
      rstd: given ? "rstd[k]" : "1.0",
      steps: [],
      names: ["dy"],
      from: given ? ["x", "mean", "rstd", "dy"] : ["x", "dy"],
    });
  },
  backward: ({ inputs: [dy, x, mean, rstd], grads: [d, dXhat], needs, attrs: { axes } }) => {
    const centred = mean === undefined ? x! : sub(x!, mean);
    const scaled = (t: Tensor) => (rstd === undefined ? t : mul(t, rstd));
    // The gradients of (x - mean) and rstd are dXhat dy times the other of the two.
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
