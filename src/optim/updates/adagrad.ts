/** Adagrad (Duchi, Hazan and Singer, 2011) as one update over packed parameters, as torch.optim.Adagrad has it. */

import { checkOptions } from "../../common/options.ts";
import { type DefinedOp, defineOp } from "../../graph/op.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { fill } from "../../ops/elementwise/fill.ts";
import {
  expectAlike,
  expectOne,
  newAlarm,
  UPDATE,
  UPDATE_VARIANTS,
  UPDATED,
  type UpdateAttrs,
  updateConstants,
  updateGrid,
  updateShader,
  updateTerms,
} from "../../ops/state/packed-update.ts";

const code = () => import("../../../shaders/optimizer/adagrad.wgsl?raw");

const shader = updateShader("adagrad.wgsl", code);

export interface AdagradAttrs extends UpdateAttrs {
  readonly eps: number;
  /** The rate of update t (from 0) is divided by 1 + t learningRateDecay. */
  readonly learningRateDecay: number;
}

export const adagradOp: DefinedOp<AdagradAttrs> = defineOp({
  name: "adagrad",
  args: ["p", "g", "total", "step", "lr", "groups", "alarm"],
  results: [],
  variants: UPDATE_VARIANTS,
  mutates: ["p", "total", "alarm"],
  plan([p, g, total, step, lr, groups], attrs: AdagradAttrs) {
    const COUNT = expectAlike("adagrad", { p, g, total });
    expectOne("adagrad", "step", step, "u32");
    expectOne("adagrad", "lr", lr, "f32");
    const shared = updateConstants("adagrad", attrs, COUNT, groups);
    return { outputs: [], constants: { ...shared, eps: attrs.eps, decay: attrs.learningRateDecay } };
  },
  cpu({ p, g, total, step, lr, groups, alarm }, constants) {
    const { COUNT, eps, decay, maximize } = constants;
    const { gathers, updatesBefore, decayAt, rateAt, watch } = updateTerms(constants, step, groups, alarm);
    if (gathers) return;
    const rate = lr[0]! / (1 + updatesBefore * decay);
    for (let i = 0; i < COUNT; i++) {
      const d = (maximize ? -g[i]! : g[i]!) + decayAt(i) * p[i]!;
      watch(p[i]! + d);
      const sum = total[i]! + d * d;
      total[i] = sum;
      p[i]! -= (rate * rateAt(i) * d) / (Math.sqrt(sum) + eps);
    }
  },
  kernels({ COUNT }, env) {
    const { PER, groups } = updateGrid(COUNT, env);
    const bind = ["p", "g", "total", "step", "lr", "groups", "alarm"];
    return { kernels: [{ shader, entry: "adagrad", bind, constants: { PER }, groups }] };
  },
});

/**
 * An update: one step of Adagrad on `p` (a state or a pack of states) along `g`, with `total`, the sum of squares, a state
 * of the same shape. `step` u32 `[1]` from 0, `lr` f32 `[1]`, `groups` as in packed-update.ts.
 * Formula: torch.optim.Adagrad. Throws ShapeError.
 */
export function adagradUpdate(
  tensors: {
    p: Tensor;
    g: Tensor;
    total: Tensor;
    step: Tensor;
    lr: Tensor;
    groups?: Tensor | undefined;
    alarm?: Tensor | undefined;
  },
  attrs: AdagradAttrs,
): Node {
  checkOptions("adagradUpdate", tensors, { ...UPDATED, total: "tensor" });
  checkOptions("adagradUpdate", attrs, { ...UPDATE, eps: "number", learningRateDecay: "number" });
  const { p, g, total, step, lr, groups = fill([1], 0), alarm = newAlarm() } = tensors;
  return adagradOp.node([p, g, total, step, lr, groups, alarm], attrs);
}
