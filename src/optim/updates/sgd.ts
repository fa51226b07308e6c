/**
 * Stochastic gradient descent as one update over packed parameters: momentum, Nesterov's form, dampening and weight
 * decay as torch.optim.SGD has them. The learning rate is a state on the device, never a constant.
 */

import { checkOptions } from "../../common/options.ts";
import { type DefinedOp, defineOp, shapeError } from "../../graph/op.ts";
import { constant, type Node, type Tensor } from "../../graph/tensor.ts";
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

const code = () => import("../../../shaders/optimizer/sgd.wgsl?raw");

const shader = updateShader("sgd.wgsl", code);

export interface SgdAttrs extends UpdateAttrs {
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
}

export const sgdOp: DefinedOp<SgdAttrs> = defineOp({
  name: "sgd",
  args: ["p", "g", "lr", "step", "groups", "alarm", "velocity"],
  results: [],
  variants: UPDATE_VARIANTS,
  mutates: ["p", "alarm", "velocity"],
  plan([p, g, lr, step, groups, , velocity], attrs: SgdAttrs) {
    const COUNT = expectAlike("sgd", { p, g, ...(velocity === undefined ? {} : { velocity }) });
    expectOne("sgd", "lr", lr, "f32");
    if ((velocity !== undefined) !== (attrs.momentum !== 0)) {
      throw shapeError("sgd", "momentum needs a velocity, and nothing else does", p ? [p] : []);
    }
    if (step !== undefined) expectOne("sgd", "step", step, "u32");
    const { momentum, dampening, nesterov } = attrs;
    const shared = updateConstants("sgd", attrs, COUNT, groups);
    return { outputs: [], constants: { ...shared, momentum, nesterov, undampened: 1 - dampening } };
  },
  cpu({ p, g, lr, velocity, step, groups, alarm }, constants) {
    const { COUNT, momentum, undampened, nesterov, maximize } = constants;
    const { gathers, updatesBefore, decayAt, rateAt, watch } = updateTerms(constants, step, groups, alarm);
    if (gathers) return;
    for (let i = 0; i < COUNT; i++) {
      let d = (maximize ? -g[i]! : g[i]!) + decayAt(i) * p[i]!;
      watch(p[i]! + d);
      if (momentum !== 0) {
        const v = updatesBefore === 0 ? d : momentum * velocity[i]! + undampened * d;
        velocity[i] = v;
        d = nesterov ? d + momentum * v : v;
      }
      p[i]! -= lr[0]! * rateAt(i) * d;
    }
  },
  kernels({ COUNT, momentum }, env) {
    const { PER, groups } = updateGrid(COUNT, env);
    const bind = ["p", "g", "lr", "step", "groups", "alarm", ...(momentum === 0 ? [] : ["velocity"])];
    const entry = momentum === 0 ? "plain" : "withMomentum";
    return { kernels: [{ shader, entry, bind, constants: { PER }, groups }] };
  },
});

/**
 * An update: one step of gradient descent on `p` (a state or a pack of states) along `g` of the same shape.
 *
 * `lr`: f32 `[1]`. `step`: u32 `[1]` from 0, needed with momentum, `every` or groups. With momentum: `velocity`, a state
 * of p's shape, which starts as the first gradient. `groups`: f32 `[2, COUNT]`, see packed-update.ts.
 * Formula: torch.optim.SGD. Throws ShapeError.
 */
export function sgdUpdate(
  tensors: {
    p: Tensor;
    g: Tensor;
    lr: Tensor;
    velocity?: Tensor;
    step?: Tensor;
    groups?: Tensor;
    alarm?: Tensor;
  },
  attrs: SgdAttrs,
): Node {
  checkOptions("sgdUpdate", tensors, { ...UPDATED, velocity: "tensor" });
  checkOptions("sgdUpdate", attrs, {
    ...UPDATE,
    momentum: "number",
    dampening: "number",
    nesterov: "boolean",
  });
  const { p, g, lr, velocity, groups = fill([1], 0), alarm = newAlarm() } = tensors;
  const { step = constant(Uint32Array.of(0), [1]) } = tensors;
  const moving = velocity === undefined ? [] : [velocity];
  return sgdOp.node([p, g, lr, step, groups, alarm, ...moving], attrs);
}
