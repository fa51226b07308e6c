/**
 * Which kernels the fused convolution block runs as: for windows of 2 x 2 the products of conv2d with places in the
 * order of windows; for others, and for the input's gradient, those of conv2d with a pass over their output or dy.
 */
import around from "../../shaders/conv-block.wgsl?raw";
import gradients from "../../shaders/conv-block-gradients.wgsl?raw";
import places from "../../shaders/conv-block-places.wgsl?raw";
import forward from "../../shaders/conv2d-forward.wgsl?raw";
import weight from "../../shaders/conv2d-weight.wgsl?raw";
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../op.ts";
import { Shader } from "../shader.ts";
import type { BlockConstants } from "./conv-block.ts";
import {
  backwardInputKernels,
  backwardWeightKernels,
  combineParts,
  forwardKernels,
  partsOf,
  type TileJob,
  tiled,
  tileKernel,
} from "./conv2d-kernels.ts";

const shader = new Shader("conv-block.wgsl", around);
const forwardTiles = tiled("conv-block-forward.wgsl", forward, places);
const weightTiles = tiled("conv-block-weight.wgsl", weight, gradients);

export function blockForwardKernels(c: BlockConstants, env: KernelEnv): KernelPlan {
  if (!isSquare(c)) {
    const conv = forwardKernels(c, env);
    const pool: Kernel = {
      shader,
      entry: "pool",
      bind: ["conv", "y", "code"],
      groups: spread(Math.ceil((c.N * c.O * c.PH * c.PW) / 64)),
    };
    return {
      scratch: { ...conv.scratch, conv: c.N * c.O * c.OH * c.OW },
      kernels: [...conv.kernels.map((kernel) => rebind(kernel, "y", "conv")), pool],
    };
  }
  const job: TileJob = {
    tiles: forwardTiles,
    rows: c.O,
    columns: c.N * c.PH * c.PW * 4,
    depth: c.C * c.KH * c.KW,
    count: 1,
    vector: false,
    TRANSPOSE_A: false,
    TRANSPOSE_B: false,
    // A kernel must bind what it may read: without a bias it binds w again and does not look.
    bind: ["x", "w", ["w4", "w"], c.BIAS ? "b" : ["b", "w"], "y", "code"],
  };
  return { kernels: [tileKernel(job, env)] };
}

export function blockBackwardInputKernels(c: BlockConstants, env: KernelEnv): KernelPlan {
  return afterUnpool(c, backwardInputKernels(c, env));
}

export function blockBackwardWeightKernels(c: BlockConstants, env: KernelEnv): KernelPlan {
  if (!isSquare(c)) return afterUnpool(c, backwardWeightKernels(c, env));
  const PLACES = c.N * c.PH * c.PW * 4;
  const size = { rows: c.O, columns: c.C * c.KH * c.KW + 1 };
  const parts = partsOf(size, 1, PLACES, env);
  const job: TileJob = {
    ...size,
    tiles: weightTiles,
    depth: PLACES,
    count: parts.PARTS,
    vector: false,
    TRANSPOSE_A: false,
    TRANSPOSE_B: true,
    bind: ["x", "dy", "code", "partial"],
    constants: { ...parts, PLACES },
  };
  return {
    scratch: { partial: parts.PARTS * (c.O * c.C * c.KH * c.KW + c.O) },
    kernels: [tileKernel(job, env), combineParts(c, parts.PARTS)],
  };
}

/** Kernels of conv2d that read dy, made to read what `unpool` spreads out. */
function afterUnpool(c: BlockConstants, { kernels, scratch }: KernelPlan): KernelPlan {
  const size = c.N * c.O * c.OH * c.OW;
  const unpool: Kernel = {
    shader,
    entry: "unpool",
    bind: ["dy", ["codes", "code"], "dense"],
    groups: spread(Math.ceil(size / 64)),
  };
  return {
    scratch: { ...scratch, dense: size },
    kernels: [unpool, ...kernels.map((kernel) => rebind(kernel, "dy", "dense"))],
  };
}

/** `kernel` with what it binds as tensor `from` taken from `to`. */
function rebind(kernel: Kernel, from: string, to: string): Kernel {
  const bind = kernel.bind.map((b) => {
    const [variable, name] = typeof b === "string" ? [b, b] : b;
    return [variable, name === from ? to : name] as const;
  });
  return { ...kernel, bind };
}

function isSquare(c: BlockConstants): boolean {
  return c.PKH === 2 && c.PKW === 2;
}
