/** Which kernels a convolution runs as: `direct` reads its operands in place, `im2col` lays out a matrix of columns. */
import direct from "../../shaders/conv2d.wgsl?raw";
import columns from "../../shaders/im2col.wgsl?raw";
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../op.ts";
import { Shader } from "../shader.ts";
import type { ConvConstants } from "./conv-geometry.ts";

const conv2d = new Shader("conv2d.wgsl", direct);
const im2col = new Shader("im2col.wgsl", columns);

/** Outputs of a matrix product that one workgroup of im2col.wgsl covers, each way. */
const TILE = 32;

export function forwardKernels(c: ConvConstants, env: KernelEnv): KernelPlan {
  if (env.variant === "im2col") {
    return {
      scratch: { col: columnWords(c) },
      kernels: [
        columnKernel(c),
        {
          shader: im2col,
          entry: "forward",
          bind: [["columns", "col"], "w", "b", "y"],
          groups: [Math.ceil((c.OH * c.OW) / TILE), Math.ceil(c.OG / TILE), c.N * c.GROUPS],
        },
      ],
    };
  }
  const groups = spread(Math.ceil((c.N * c.O * c.OH * c.OW) / 64));
  return { kernels: [{ shader: conv2d, entry: "forward", bind: ["x", "w", "b", "y"], groups }] };
}

export function backwardInputKernels(c: ConvConstants, env: KernelEnv): KernelPlan {
  const pixels = spread(Math.ceil((c.N * c.C * c.H * c.W) / 64));
  if (env.variant === "im2col") {
    return {
      scratch: { col: columnWords(c) },
      kernels: [
        {
          shader: im2col,
          entry: "backwardColumns",
          bind: ["dy", "w", ["dcol", "col"]],
          groups: [Math.ceil((c.OH * c.OW) / TILE), Math.ceil((c.CG * c.KH * c.KW) / TILE), c.N * c.GROUPS],
        },
        { shader: im2col, entry: "col2im", bind: [["columns", "col"], "dx"], groups: pixels },
      ],
    };
  }
  return { kernels: [{ shader: conv2d, entry: "backwardInput", bind: ["dy", "w", "dx"], groups: pixels }] };
}

export function backwardWeightKernels(c: ConvConstants, env: KernelEnv): KernelPlan {
  const count = c.O * c.CG * c.KH * c.KW + c.O;
  const CHUNK = Math.ceil(c.N / 16);
  const PARTS = Math.ceil(c.N / CHUNK);
  const constants = { PARTS, CHUNK };
  const combine = combineParts(c, PARTS);
  if (env.variant === "im2col") {
    return {
      scratch: { col: columnWords(c), partial: PARTS * count },
      kernels: [
        columnKernel(c),
        {
          shader: im2col,
          entry: "backwardWeight",
          bind: [["columns", "col"], ["g", "dy"], "partial"],
          constants,
          groups: [Math.ceil((c.CG * c.KH * c.KW) / TILE), Math.ceil(c.OG / TILE), c.GROUPS * PARTS],
        },
        combine,
      ],
    };
  }
  const first = {
    shader: conv2d,
    entry: "backwardWeight",
    bind: ["x", ["g", "dy"], "partial"] as const,
    constants,
    groups: spread(Math.ceil((count * PARTS) / 64)),
  };
  return { scratch: { partial: PARTS * count }, kernels: [first, combine] };
}

/** The second stage of a weight gradient: adds `partial` [PARTS, weights, biases] in order of the parts. */
export function combineParts(c: ConvConstants, PARTS: number): Kernel {
  return {
    shader: conv2d,
    entry: "combine",
    bind: [["parts", "partial"], "dw", "db"],
    constants: { PARTS },
    groups: spread(Math.ceil((c.O * c.CG * c.KH * c.KW + c.O) / 64)),
  };
}

function columnWords(c: ConvConstants): number {
  return c.N * c.C * c.KH * c.KW * c.OH * c.OW;
}

function columnKernel(c: ConvConstants) {
  const groups = spread(Math.ceil(columnWords(c) / 64));
  return { shader: im2col, entry: "im2col", bind: ["x", "col"], groups };
}
