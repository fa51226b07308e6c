/** Lion (Chen et al., 2023) as one update over packed parameters: steps of one length along the sign of a momentum. */

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

const code = () => import("../../../shaders/optimizer/lion.wgsl?raw");

const shader = updateShader("lion.wgsl", code);

export interface LionAttrs extends UpdateAttrs {
  readonly beta1: number;
  readonly beta2: number;
}

export const lionOp: DefinedOp<LionAttrs> = defineOp({
  name: "lion",
  args: ["p", "g", "m", "step", "lr", "groups", "alarm"],
  results: [],
  variants: UPDATE_VARIANTS,
  mutates: ["p", "m", "alarm"],
  plan([p, g, m, step, lr, groups], attrs: LionAttrs) {
    const COUNT = expectAlike("lion", { p, g, m });
    expectOne("lion", "step", step, "u32");
    expectOne("lion", "lr", lr, "f32");
    const { beta1, beta2 } = attrs;
    const betas = { beta1, beta2, oneMinusBeta1: 1 - beta1, oneMinusBeta2: 1 - beta2 };
    return { outputs: [], constants: { ...updateConstants("lion", attrs, COUNT, groups), ...betas } };
  },
  cpu({ p, g, m, step, lr, groups, alarm }, constants) {
    const { COUNT, beta1, beta2, maximize } = constants;
    const { gathers, decayAt, rateAt, watch } = updateTerms(constants, step, groups, alarm);
    if (gathers) return;
    for (let i = 0; i < COUNT; i++) {
      const d = maximize ? -g[i]! : g[i]!;
      watch(p[i]! + d);
      const direction = Math.sign(beta1 * m[i]! + (1 - beta1) * d);
      p[i]! -= lr[0]! * rateAt(i) * (direction + decayAt(i) * p[i]!);
      m[i] = beta2 * m[i]! + (1 - beta2) * d;
    }
  },
  kernels({ COUNT }, env) {
    const { PER, groups } = updateGrid(COUNT, env);
    const bind = ["p", "g", "m", "step", "lr", "groups", "alarm"];
    return { kernels: [{ shader, entry: "lion", bind, constants: { PER }, groups }] };
  },
});

/**
 * An update: one step of Lion on `p` (a state or a pack of states) along `g`, with the momentum `m`, a state of the same
 * shape. `step` u32 `[1]` from 0, `lr` f32 `[1]`, `groups` as in packed-update.ts. Throws ShapeError.
 */
export function lionUpdate(
  tensors: {
    p: Tensor;
    g: Tensor;
    m: Tensor;
    step: Tensor;
    lr: Tensor;
    groups?: Tensor | undefined;
    alarm?: Tensor | undefined;
  },
  attrs: LionAttrs,
): Node {
  checkOptions("lionUpdate", tensors, { ...UPDATED, m: "tensor" });
  checkOptions("lionUpdate", attrs, { ...UPDATE, beta1: "number", beta2: "number" });
  const { p, g, m, step, lr, groups = fill([1], 0), alarm = newAlarm() } = tensors;
  return lionOp.node([p, g, m, step, lr, groups, alarm], attrs);
}
