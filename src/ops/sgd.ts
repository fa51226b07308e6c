/**
 * Stochastic gradient descent as one update over packed parameters: momentum, Nesterov's form, dampening and weight
 * decay as torch.optim.SGD has them. The learning rate is a state on the device, never a constant.
 */
import code from "../../shaders/sgd.wgsl?raw";
import { type DefinedOp, defineOp, shapeError } from "../op.ts";
import { Shader } from "../shader.ts";
import type { Node, Tensor } from "../tensor.ts";
import { expectAlike, expectOne, UPDATE_VARIANTS, updateGrid } from "./packed-update.ts";

const shader = new Shader("sgd.wgsl", code);

export interface SgdAttrs {
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  readonly maximize: boolean;
}

export const sgdOp: DefinedOp<SgdAttrs> = defineOp({
  name: "sgd",
  args: ["p", "g", "lr", "velocity", "step"],
  results: [],
  variants: UPDATE_VARIANTS,
  mutates: ["p", "velocity"],
  plan([p, g, lr, velocity, step], { dampening, ...attrs }: SgdAttrs) {
    const COUNT = expectAlike("sgd", { p, g, ...(velocity === undefined ? {} : { velocity }) });
    expectOne("sgd", "lr", lr, "f32");
    if ((velocity !== undefined) !== (attrs.momentum !== 0)) {
      throw shapeError("sgd", "momentum needs a velocity, and nothing else does", p ? [p] : []);
    }
    if (velocity !== undefined) expectOne("sgd", "step", step, "u32");
    return { outputs: [], constants: { COUNT, ...attrs, undampened: 1 - dampening } };
  },
  cpu({ p, g, lr, velocity, step }, { COUNT, momentum, undampened, nesterov, weightDecay, maximize }) {
    for (let i = 0; i < COUNT; i++) {
      let d = (maximize ? -g[i]! : g[i]!) + weightDecay * p[i]!;
      if (momentum !== 0) {
        const v = step[0] === 0 ? d : momentum * velocity[i]! + undampened * d;
        velocity[i] = v;
        d = nesterov ? d + momentum * v : v;
      }
      p[i]! -= lr[0]! * d;
    }
  },
  kernels({ COUNT, momentum }, env) {
    const { PER, groups } = updateGrid(COUNT, env);
    const own = momentum === 0 ? [] : ["velocity", "step"];
    const entry = momentum === 0 ? "plain" : "withMomentum";
    return { kernels: [{ shader, entry, bind: ["p", "g", "lr", ...own], constants: { PER }, groups }] };
  },
});

/**
 * An update: one step of gradient descent on `p` (a state or a pack of states) along `g` of the same shape.
 *
 * `lr`: f32 `[1]`. With momentum: `velocity`, a state of p's shape, and `step` u32 `[1]`, 0 at the first step, when the
 * velocity starts as the gradient. Formula: torch.optim.SGD. Throws ShapeError.
 */
export function sgdUpdate(
  tensors: { p: Tensor; g: Tensor; lr: Tensor; velocity?: Tensor; step?: Tensor },
  attrs: SgdAttrs,
): Node {
  const { p, g, lr, velocity, step } = tensors;
  const moving = velocity === undefined || step === undefined ? [] : [velocity, step];
  return sgdOp.node([p, g, lr, ...moving], attrs);
}
