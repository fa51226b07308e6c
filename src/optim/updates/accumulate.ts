/** The memory of gradient accumulation: keeps a sum of packed gradients for k steps, then starts again from 0. */

import { checkOptions } from "../../common/options.ts";
import { spread } from "../../graph/kernel.ts";
import { type DefinedOp, defineOp, expectWhole } from "../../graph/op.ts";
import { Shader } from "../../graph/shader.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { expectAlike, expectOne } from "../../ops/state/packed-update.ts";

const code = () => import("../../../shaders/optimizer/accumulate.wgsl?raw");

const shader = new Shader("accumulate.wgsl", code);

export const accumulateOp: DefinedOp<{ readonly every: number }> = defineOp({
  name: "accumulate",
  args: ["kept", "total", "step"],
  results: [],
  mutates: ["kept"],
  plan([kept, total, step], { every }: { readonly every: number }) {
    const COUNT = expectAlike("accumulate", { kept, total });
    expectOne("accumulate", "step", step, "u32");
    return { outputs: [], constants: { COUNT, EVERY: expectWhole("accumulate", "every", every, 1) } };
  },
  cpu({ kept, total, step }, { COUNT, EVERY }) {
    const done = (step[0]! + 1) % EVERY === 0;
    for (let i = 0; i < COUNT; i++) kept[i] = done ? 0 : total[i]!;
  },
  kernels: ({ COUNT }) => ({
    kernels: [
      {
        shader,
        entry: "accumulate",
        bind: ["kept", "total", "step"],
        groups: spread(Math.ceil(COUNT / 256)),
      },
    ],
  }),
});

/**
 * An update: the state `kept` becomes `total`, f32 of its shape, or 0 at every `every`-th step, `step` being u32 `[1]` from
 * 0. With total = kept + g / every it holds what an optimizer of the same `every` needs. Throws ShapeError.
 */
export function accumulateUpdate(
  tensors: { kept: Tensor; total: Tensor; step: Tensor },
  every: number,
): Node {
  const kinds = { kept: "tensor", total: "tensor", step: "tensor" } as const;
  checkOptions("accumulateUpdate", tensors, kinds);
  return accumulateOp.node([tensors.kept, tensors.total, tensors.step], { every });
}
