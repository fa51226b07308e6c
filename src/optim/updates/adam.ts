/**
 * Adam and AdamW as one update over packed parameters, as torch.optim.Adam and AdamW have them. Learning rate and
 * step are states on the device; the bias corrections are worked out there, accurately from step 0 to millions.
 */

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

const code = () => import("../../../shaders/optimizer/adam.wgsl?raw");

const shader = updateShader("adam.wgsl", code);

export interface AdamAttrs extends UpdateAttrs {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Weight decay acts on the parameters (AdamW) and not through the gradient. */
  readonly decoupled: boolean;
}

export const adamOp: DefinedOp<AdamAttrs> = defineOp({
  name: "adam",
  args: ["p", "g", "m", "v", "step", "lr", "groups", "alarm"],
  results: [],
  variants: UPDATE_VARIANTS,
  mutates: ["p", "m", "v", "alarm"],
  plan([p, g, m, v, step, lr, groups], attrs: AdamAttrs) {
    const { beta1, beta2, eps, decoupled } = attrs;
    const COUNT = expectAlike("adam", { p, g, m, v });
    expectOne("adam", "step", step, "u32");
    expectOne("adam", "lr", lr, "f32");
    return {
      outputs: [],
      constants: {
        ...updateConstants("adam", attrs, COUNT, groups),
        beta1,
        beta2,
        eps,
        decoupled,
        oneMinusBeta1: 1 - beta1,
        oneMinusBeta2: 1 - beta2,
        logBeta1: logOf(beta1),
        logBeta2: logOf(beta2),
      },
    };
  },
  cpu({ p, g, m, v, step, lr, groups, alarm }, constants) {
    const { COUNT, beta1, beta2, logBeta1, logBeta2, eps } = constants;
    const { decoupled, maximize } = constants;
    const { gathers, updatesBefore, decayAt, rateAt, watch } = updateTerms(constants, step, groups, alarm);
    if (gathers) return;
    const t = updatesBefore + 1;
    const correction1 = -Math.expm1(t * logBeta1);
    const correction2 = -Math.expm1(t * logBeta2);
    for (let i = 0; i < COUNT; i++) {
      const d = (maximize ? -g[i]! : g[i]!) + (decoupled ? 0 : decayAt(i) * p[i]!);
      watch(p[i]! + d);
      const m1 = beta1 * m[i]! + (1 - beta1) * d;
      const v1 = beta2 * v[i]! + (1 - beta2) * d * d;
      m[i] = m1;
      v[i] = v1;
      const decay = decoupled ? lr[0]! * decayAt(i) * p[i]! : 0;
      const change = ((lr[0]! / correction1) * m1) / (Math.sqrt(v1) / Math.sqrt(correction2) + eps);
      p[i]! -= rateAt(i) * (decay + change);
    }
  },
  kernels({ COUNT }, env) {
    const { PER, groups } = updateGrid(COUNT, env);
    const bind = ["p", "g", "m", "v", "step", "lr", "groups", "alarm"];
    return { kernels: [{ shader, entry: "adam", bind, constants: { PER }, groups }] };
  },
});

/** ln beta, with a finite stand-in for beta = 0 whose exponential is 0 all the same. */
function logOf(beta: number): number {
  return Math.max(Math.log(beta), -1000);
}

/**
 * An update: one step of Adam on `p` (a state or a pack of states) along `g` of the same shape, with the moments `m`
 * and `v`, states of that shape too. `step`: u32 `[1]`, 0 at the first step. `lr`: f32 `[1]`. `groups`: f32 `[2, COUNT]`,
 * see packed-update.ts. Formula: torch.optim.Adam, or AdamW with `decoupled`. Throws ShapeError.
 */
export function adamUpdate(
  tensors: {
    p: Tensor;
    g: Tensor;
    m: Tensor;
    v: Tensor;
    step: Tensor;
    lr: Tensor;
    groups?: Tensor;
    alarm?: Tensor;
  },
  attrs: AdamAttrs,
): Node {
  checkOptions("adamUpdate", tensors, { ...UPDATED, m: "tensor", v: "tensor" });
  checkOptions("adamUpdate", attrs, {
    ...UPDATE,
    beta1: "number",
    beta2: "number",
    eps: "number",
    decoupled: "boolean",
  });
  const { p, g, m, v, step, lr, groups = fill([1], 0), alarm = newAlarm() } = tensors;
  return adamOp.node([p, g, m, v, step, lr, groups, alarm], attrs);
}
