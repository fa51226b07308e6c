/**
 * Which kernels the fused convolution block runs as. `strips`: written for kernels of 5 x 5 before windows of 2 x 2 on
 * software adapters with subgroups. `few`: for few channels before such windows on real GPUs. Else, for windows of 2 x 2, the products of conv2d with places in the order of windows; for other windows, and for the input's gradient,
 * those of conv2d with a pass over their output or dy.
 */

import type { BlockBackwardConstants, BlockConstants } from "../../geometry/conv-block.ts";
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { hasQuads } from "../gemm/matmul.ts";
import { specialFunctions } from "../special-functions.ts";
import {
  backwardInputKernels,
  backwardWeightKernels,
  combineParts,
  forwardKernels,
  partsOf,
  TILE_VARIANTS,
  type TileJob,
  tiled,
  tileKernel,
} from "./conv2d.ts";

const around = () => import("../../../shaders/conv/conv-block.wgsl?raw");
const gradients = () => import("../../../shaders/conv/conv-block-gradients.wgsl?raw");
const places = () => import("../../../shaders/conv/conv-block-places.wgsl?raw");
const windows = () => import("../../../shaders/conv/conv-block-window.wgsl?raw");
const strips = () => import("../../../shaders/conv/conv-block-strips.wgsl?raw");
const stripsPixels = () => import("../../../shaders/conv/conv-block-strips-pixels.wgsl?raw");
const few = () => import("../../../shaders/conv/conv-block-few.wgsl?raw");
const fewBackward = () => import("../../../shaders/conv/conv-block-few-backward.wgsl?raw");
const stripsBackward = () => import("../../../shaders/conv/conv-block-strips-backward.wgsl?raw");
const forward = () => import("../../../shaders/conv/conv2d-forward.wgsl?raw");
const weight = () => import("../../../shaders/conv/conv2d-weight.wgsl?raw");
const weightParts = () => import("../../../shaders/conv/conv2d-weight-parts.wgsl?raw");
const weightWhole = () => import("../../../shaders/conv/conv2d-weight-whole.wgsl?raw");

/** `strips` and `few` mean the default where they do not apply. */
export const BLOCK_VARIANTS = ["strips", "few", ...TILE_VARIANTS];

const aroundShader = new Shader("conv-block.wgsl", around, specialFunctions);
const stripsShader = new Shader("conv-block-strips.wgsl", stripsPixels, windows, strips, specialFunctions);
const stripsBackwardShader = new Shader("conv-block-strips-backward.wgsl", stripsPixels, stripsBackward);
const fewShader = new Shader("conv-block-few.wgsl", windows, few, specialFunctions);
const fewBackwardShader = new Shader("conv-block-few-backward.wgsl", fewBackward);
const forwardTiles = tiled("conv-block-forward.wgsl", forward, places, windows, specialFunctions);
const weightTiles = tiled("conv-block-weight.wgsl", weight, weightParts, gradients);
const wholeWeightTiles = tiled("conv-block-weight-whole.wgsl", weight, weightWhole, gradients);

export function blockForwardKernels(c: BlockConstants, env: KernelEnv): KernelPlan {
  if (stripsApply(c, env)) return { kernels: [forwardStrips(c, env)] };
  if (fewApply(c, env)) return { kernels: [forwardFew(c)] };
  if (!isSquare(c)) {
    const conv = forwardKernels(c, env);
    const pool: Kernel = {
      shader: aroundShader,
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
    constants: { BY_PLACE: env.barrierCost === "high" && c.C % 4 === 0 },
  };
  return { kernels: [tileKernel(job, env)] };
}

export function blockBackwardKernels(c: BlockBackwardConstants, env: KernelEnv): KernelPlan {
  if (fewApply(c, env)) return backwardFew(c);
  const strips = stripsApply(c, env);
  // A strip of the input's gradient is what five windows reach, with nothing to the right of it.
  const inputStrips = strips && c.needsX && c.PW <= 5 && c.W + c.padLeft <= 14;
  const weightStrips = strips && c.needsW;
  const plans: KernelPlan[] = [];
  let dense = false;
  if (inputStrips || weightStrips) plans.push(backwardStrips(c, inputStrips, weightStrips));
  if (c.needsX && !inputStrips) {
    plans.push(denseGradient(backwardInputKernels(c, env)));
    dense = true;
  }
  if (c.needsW && !weightStrips && isSquare(c)) {
    plans.push(weightTilesOf(c, env));
  } else if (c.needsW && !weightStrips) {
    plans.push(denseGradient(backwardWeightKernels(c, env)));
    dense = true;
  }
  const size = c.N * c.O * c.OH * c.OW;
  const unpool: Kernel = {
    shader: aroundShader,
    entry: "unpool",
    bind: ["dy", ["codes", "code"], "dense"],
    groups: spread(Math.ceil(size / 64)),
  };
  return {
    scratch: Object.assign(dense ? { dense: size } : {}, ...plans.map((plan) => plan.scratch ?? {})),
    kernels: [...(dense ? [unpool] : []), ...plans.flatMap((plan) => plan.kernels)],
  };
}

/** Windows of a part of the weight's gradient: each part costs the way of its sums to memory and back, long sums cost digits. */
const LEAST_CHUNK = 64;
const LARGEST_CHUNK = 1024;

/** Either gradient, or both in one dispatch; the second stage of the weight's in another. */
function backwardStrips(c: BlockBackwardConstants, input: boolean, weight: boolean): KernelPlan {
  // Lanes of a workgroup have 16 images, or rows of fewer.
  const IMAGES = [1, 2, 4, 8].find((n) => n >= c.N) ?? 16;
  const rows = Math.ceil((c.H + c.padTop) / 2);
  const INPUT_GROUPS = input
    ? Math.ceil(c.N / IMAGES) * Math.ceil(c.C / 2) * Math.ceil((rows * IMAGES) / 16)
    : 0;
  const channels = c.C * Math.ceil(c.O / 8);
  const windows = c.N * c.PH * c.PW;
  const wanted = Math.ceil(windows / Math.ceil(96 / channels));
  const CHUNK = Math.min(Math.max(wanted, LEAST_CHUNK), LARGEST_CHUNK);
  const PARTS = weight ? Math.ceil(windows / CHUNK) : 0;
  const WHOLE = !input || (c.PW === 5 && IMAGES === 16);
  const first: Kernel = {
    shader: stripsBackwardShader,
    entry: "backward",
    bind: ["x", "w", "dy", "code", "partial", "dx"],
    constants: { CHUNK, PARTS, INPUT_GROUPS, IMAGES, WHOLE },
    groups: spread(INPUT_GROUPS + Math.ceil((channels * PARTS) / 4)),
  };
  return {
    scratch: { partial: Math.max(1, PARTS * weightWords(c)) },
    kernels: weight ? [first, combineParts(c, PARTS, false)] : [first],
  };
}

function forwardFew(c: BlockConstants): Kernel {
  return {
    shader: fewShader,
    entry: "forward",
    bind: ["x", "w", c.BIAS ? "b" : ["b", "w"], "y", "code"],
    groups: spread(Math.ceil((c.N * c.PH * c.PW) / 64) * Math.ceil(c.O / 4)),
  };
}

/** Both gradients in one dispatch, or either; the second stage of the weight's in another. */
function backwardFew(c: BlockBackwardConstants): KernelPlan {
  const blocks = (size: number, pad: number) => Math.ceil((size + pad) / 2) - Math.floor(pad / 2);
  const reached = c.N * blocks(c.H, c.padTop) * blocks(c.W, c.padLeft);
  const INPUT_GROUPS = c.needsX ? Math.ceil(reached / 64) * Math.ceil(c.C / 2) : 0;
  const FOURS = Math.min(4, Math.ceil(c.O / 4), Math.floor(256 / (c.KH * c.KW + 1)));
  // Tiles of at most 8 windows each way, all about as large.
  const tileOf = (size: number) => Math.ceil(size / Math.ceil(size / 8));
  const [ROWS, COLUMNS] = [tileOf(c.PH), tileOf(c.PW)];
  const tiles = c.N * Math.ceil(c.PH / ROWS) * Math.ceil(c.PW / COLUMNS);
  const jobs = c.C * Math.ceil(c.O / (FOURS * 4));
  // Large chips are busy with 512 workgroups; the second stage takes long over more parts than 256.
  const CHUNK = Math.ceil(tiles / Math.min(256, Math.ceil(512 / jobs)));
  const PARTS = c.needsW ? Math.ceil(tiles / CHUNK) : 0;
  const first: Kernel = {
    shader: fewBackwardShader,
    entry: "backward",
    bind: ["x", "w", "dy", "code", "partial", "dx"],
    constants: { INPUT_GROUPS, FOURS, ROWS, COLUMNS, CHUNK, PARTS },
    groups: spread(INPUT_GROUPS + jobs * PARTS),
  };
  return {
    scratch: { partial: Math.max(1, PARTS * weightWords(c)) },
    kernels: c.needsW ? [first, combineParts(c, PARTS, true)] : [first],
  };
}

function weightWords(c: BlockConstants): number {
  return c.O * c.C * c.KH * c.KW + c.O;
}

function weightTilesOf(c: BlockConstants, env: KernelEnv): KernelPlan {
  const PLACES = c.N * c.PH * c.PW * 4;
  const size = { rows: c.O, columns: c.C * c.KH * c.KW + 1 };
  const parts = partsOf(size.rows, size.columns, 1, PLACES, env);
  const whole = parts.PARTS === 1;
  const job: TileJob = {
    ...size,
    tiles: whole ? wholeWeightTiles : weightTiles,
    depth: PLACES,
    count: parts.PARTS,
    vector: false,
    TRANSPOSE_A: false,
    TRANSPOSE_B: true,
    bind: ["x", "dy", "code", ...(whole ? ["dw", "db"] : ["partial"])],
    constants: { ...parts, PLACES, ROWS: c.PH * 2, COLUMNS: c.PW * 2 },
  };
  if (whole) return { kernels: [tileKernel(job, env)] };
  return {
    scratch: { partial: parts.PARTS * weightWords(c) },
    kernels: [tileKernel(job, env), combineParts(c, parts.PARTS, env.parallelism === "high")],
  };
}

function forwardStrips(c: BlockConstants, env: KernelEnv): Kernel {
  // Small workgroups leave less of themselves empty, large ones cost less each. All layers have the same, as they share.
  const LANES = c.N <= 4 ? 16 : c.N <= 16 ? 32 : 64;
  const inside = c.padTop + c.padLeft === 0 && c.PH * 2 + 4 <= c.H && c.PW * 2 + 4 <= c.W;
  const across = Math.ceil(c.PW / 7) * 7 <= Math.ceil(c.PW / 5) * 5 ? 7 : 5;
  const strips = (PADDED: boolean, windows: number): Kernel => ({
    shader: stripsShader,
    entry: "forward",
    bind: ["x", ["x2", "x"], "w", c.BIAS ? "b" : ["b", "w"], "y", "code"],
    constants: { EVEN: c.W % 2 === 0 && c.padLeft % 2 === 0, LANES, PADDED, WIDE: windows === 7 },
    groups: spread(Math.ceil((c.N * c.PH * Math.ceil(c.PW / windows) * 2) / LANES) * Math.ceil(c.O / 6)),
  });
  // One made for a layer is a little faster: strips that fit it, no check where it looks only at x. Adapters with wide
  // subgroups hardly notice, and take so long to compile a kernel that all layers had better share it.
  const common = strips(true, 5);
  return env.compileCost === "high" ? common : { ...strips(!inside, across), standIn: common };
}

function stripsApply(c: BlockConstants, env: KernelEnv): boolean {
  const wanted = env.variant === "strips" || (env.variant === undefined && env.barrierCost === "high");
  return (
    wanted &&
    hasQuads(env) &&
    isSquare(c) &&
    [c.KH, c.KW].every((size) => size === 5) &&
    [c.strideY, c.strideX, c.dilationY, c.dilationX].every((step) => step === 1)
  );
}

function fewApply(c: BlockConstants, env: KernelEnv): boolean {
  const possible =
    isSquare(c) &&
    env.maxWorkgroupSize >= 256 &&
    [c.KH, c.KW].every((size) => size <= 13) &&
    c.C * c.KH * c.KW <= 1024 &&
    [c.strideY, c.strideX, c.dilationY, c.dilationX].every((step) => step === 1);
  // Tiles of products, at least 32 x 32, are at most half full of so few; fuller ones reuse more of what they read.
  const good = c.C <= 16 && c.O <= 32;
  return (
    possible && (env.variant === "few" || (env.variant === undefined && env.barrierCost === "low" && good))
  );
}

/** Kernels of conv2d that read dy, made to read what `unpool` spreads out. */
function denseGradient({ kernels, scratch }: KernelPlan): KernelPlan {
  return { ...(scratch ? { scratch } : {}), kernels: kernels.map((kernel) => rebind(kernel, "dy", "dense")) };
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
