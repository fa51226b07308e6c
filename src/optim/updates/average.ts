/** Exponential moving average of packed weights, as an update that follows the optimizer's (Polyak, 1990). */

import { checkOptions } from "../../common/options.ts";
import { spread } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, expectWhole } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { expectAlike, expectOne } from "../../ops/state/packed-update.ts";

const code = () => import("../../../shaders/optimizer/average.wgsl?raw");

const shader = new Shader("average.wgsl", code);

interface Attrs {
  readonly decay: number;
  readonly every: number;
}

export const averageOp: DefinedOp<Attrs> = defineOp({
  name: "average",
  args: ["average", "p", "step"],
  results: [],
  // p does not change: an update that only reads it would come before the optimizer's, and see the old weights.
  mutates: ["average", "p"],
  follows: true,
  plan([average, p, step], { decay, every }: Attrs) {
    const COUNT = expectAlike("average", { average, p });
    expectOne("average", "step", step, "u32");
    const EVERY = expectWhole("average", "every", every, 1);
    return { outputs: [], constants: { COUNT, EVERY, decay, oneMinusDecay: 1 - decay } };
  },
  cpu({ average, p, step }, { COUNT, EVERY, decay }) {
    if ((step[0]! + 1) % EVERY !== 0) return;
    for (let i = 0; i < COUNT; i++) {
      average[i] = step[0]! < EVERY ? p[i]! : decay * average[i]! + (1 - decay) * p[i]!;
    }
  },
  kernels: ({ COUNT }) => ({
    kernels: [
      { shader, entry: "follow", bind: ["average", "p", "step"], groups: spread(Math.ceil(COUNT / 256)) },
    ],
  }),
});

/**
 * An update: `average`, a state of p's shape, becomes decay average + (1 - decay) p, and p itself at the first update.
 * List it after the optimizer's update of `p`, whose new values it takes. `step` u32 `[1]` from 0; at `every` other than 1
 * it acts at every `every`-th step. Throws ShapeError.
 */
export function averageUpdate(
  tensors: { average: Tensor; p: Tensor; step: Tensor },
  options: { readonly decay: number; readonly every?: number },
): Node {
  checkOptions("averageUpdate", tensors, { average: "tensor", p: "tensor", step: "tensor" });
  const { decay, every = 1 } = checkOptions("averageUpdate", options, { decay: "number", every: "number" });
  return averageOp.node([tensors.average, tensors.p, tensors.step], { decay, every });
}
