/**
 * RMSprop as one update over packed parameters, as torch.optim.RMSprop has it: plain or centered, with or without
 * momentum. The learning rate is a tensor on the device, never a constant.
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

const code = () => import("../../../shaders/optimizer/rmsprop.wgsl?raw");

const shader = updateShader("rmsprop.wgsl", code);

export interface RmspropAttrs extends UpdateAttrs {
  readonly alpha: number;
  readonly eps: number;
  readonly momentum: number;
  readonly centered: boolean;
}

export const rmspropOp: DefinedOp<RmspropAttrs> = defineOp({
  name: "rmsprop",
  args: ["p", "g", "lr", "step", "groups", "alarm", "v", "mean", "velocity"],
  results: [],
  variants: UPDATE_VARIANTS,
  mutates: ["p", "alarm", "v", "mean", "velocity"],
  plan([p, g, lr, step, groups, , v, ...rest], attrs: RmspropAttrs) {
    const [mean, velocity] = attrs.centered ? rest : [undefined, rest[0]];
    const own = { ...(attrs.centered ? { mean } : {}), ...(attrs.momentum === 0 ? {} : { velocity }) };
    const COUNT = expectAlike("rmsprop", { p, g, v, ...own });
    expectOne("rmsprop", "lr", lr, "f32");
    expectOne("rmsprop", "step", step, "u32");
    const { alpha, eps, momentum, centered } = attrs;
    const shared = updateConstants("rmsprop", attrs, COUNT, groups);
    return {
      outputs: [],
      constants: { ...shared, alpha, oneMinusAlpha: 1 - alpha, eps, momentum, centered },
    };
  },
  cpu(tensors, constants) {
    const { p, g, lr, step, groups, alarm, v } = tensors;
    const { COUNT, alpha, eps, momentum, centered, maximize } = constants;
    // Without a mean the velocity takes its place in the arguments.
    const velocity = centered ? tensors.velocity : tensors.mean;
    const { gathers, decayAt, rateAt, watch } = updateTerms(constants, step, groups, alarm);
    if (gathers) return;
    for (let i = 0; i < COUNT; i++) {
      const d = (maximize ? -g[i]! : g[i]!) + decayAt(i) * p[i]!;
      watch(p[i]! + d);
      v[i] = alpha * v[i]! + (1 - alpha) * d * d;
      let square = v[i]!;
      if (centered) {
        tensors.mean[i] = alpha * tensors.mean[i]! + (1 - alpha) * d;
        square = Math.max(square - tensors.mean[i]! ** 2, 0);
      }
      let q = d / (Math.sqrt(square) + eps);
      if (momentum !== 0) {
        velocity[i] = momentum * velocity[i]! + q;
        q = velocity[i]!;
      }
      p[i]! -= lr[0]! * rateAt(i) * q;
    }
  },
  kernels({ COUNT, momentum, centered }, env) {
    const { PER, groups } = updateGrid(COUNT, env);
    const moving = momentum !== 0;
    const entry = centered
      ? moving
        ? "centeredWithMomentum"
        : "centered"
      : moving
        ? "withMomentum"
        : "plain";
    const velocity = centered ? "velocity" : (["velocity", "mean"] as const);
    const bind = [
      ...["p", "g", "lr", "step", "groups", "v", ...(centered ? ["mean"] : [])],
      ...(moving ? [velocity] : []),
    ];
    const kernel = { shader, constants: { PER }, groups };
    if (!(centered && moving)) return { kernels: [{ ...kernel, entry, bind: [...bind, "alarm"] }] };
    const watched = ["p", "g", "step", "groups", "alarm"];
    return {
      kernels: [
        { ...kernel, entry: "watchAll", bind: watched },
        { ...kernel, entry, bind },
      ],
    };
  },
});

/**
 * An update: one step of RMSprop on `p` (a state or a pack of states) along `g`, with states of the same shape: `v`, the
 * mean of squares; `mean` if centered; `velocity` with momentum. `lr` f32 `[1]`, `step` u32 `[1]` from 0, `groups` as in
 * packed-update.ts. Formula: torch.optim.RMSprop. Throws ShapeError.
 */
export function rmspropUpdate(
  tensors: {
    p: Tensor;
    g: Tensor;
    lr: Tensor;
    step: Tensor;
    v: Tensor;
    mean?: Tensor | undefined;
    velocity?: Tensor | undefined;
    groups?: Tensor | undefined;
    alarm?: Tensor | undefined;
  },
  attrs: RmspropAttrs,
): Node {
  checkOptions("rmspropUpdate", tensors, { ...UPDATED, v: "tensor", mean: "tensor", velocity: "tensor" });
  checkOptions("rmspropUpdate", attrs, {
    ...UPDATE,
    alpha: "number",
    eps: "number",
    momentum: "number",
    centered: "boolean",
  });
  const { p, g, lr, step, v, mean, velocity, groups = fill([1], 0), alarm = newAlarm() } = tensors;
  const own = [v, mean, velocity].filter((t) => t !== undefined);
  return rmspropOp.node([p, g, lr, step, groups, alarm, ...own], attrs);
}
