/** Which kernels the fused convolution block runs as. */
import block from "../../shaders/conv-block.wgsl?raw";
import { type KernelEnv, type KernelPlan, spread } from "../op.ts";
import { Shader } from "../shader.ts";
import type { BlockConstants } from "./conv-block.ts";
import { combineParts } from "./conv2d-kernels.ts";

const shader = new Shader("conv-block.wgsl", block);

export function blockForwardKernels(c: BlockConstants, _env: KernelEnv): KernelPlan {
  const groups = spread(Math.ceil((c.N * c.O * c.PH * c.PW) / 64));
  return { kernels: [{ shader, entry: "forward", bind: ["x", "w", "b", "y", "code"], groups }] };
}

export function blockBackwardInputKernels(c: BlockConstants, _env: KernelEnv): KernelPlan {
  const groups = spread(Math.ceil((c.N * c.C * c.H * c.W) / 64));
  return {
    kernels: [{ shader, entry: "backwardInput", bind: ["dy", "w", ["codes", "code"], "dx"], groups }],
  };
}

export function blockBackwardWeightKernels(c: BlockConstants, _env: KernelEnv): KernelPlan {
  const count = c.O * c.C * c.KH * c.KW + c.O;
  const CHUNK = Math.ceil(c.N / 16);
  const PARTS = Math.ceil(c.N / CHUNK);
  const first = {
    shader,
    entry: "backwardWeight",
    bind: ["x", ["g", "dy"], ["codes", "code"], "partial"] as const,
    constants: { PARTS, CHUNK },
    groups: spread(Math.ceil((count * PARTS) / 64)),
  };
  return { scratch: { partial: PARTS * count }, kernels: [first, combineParts(c, PARTS)] };
}
