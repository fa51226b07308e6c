/**
 * Which kernels the fused convolution block runs as. `rowStrip`: written for kernels of 5 x 5 before windows of 2 x 2, on software
 * adapters with subgroups. `fewChannels`: for few channels before such windows, on GPUs. Else, for windows of 2 x 2, the
 * products of conv2d with output positions in the order of windows; for other windows, and for the input gradient, those
 * of conv2d with a dispatch that pools its output or spreads out dy.
 */

import type { BlockBackwardConstants, BlockConstants } from "../../geometry/conv-block.ts";
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";
import { gemmShader, hasQuads, TILE_VARIANTS } from "../gemm/tiles.ts";
import {
  backwardInputKernels,
  backwardWeightKernels,
  convProductKernel,
  FORWARD_PARTS,
  forwardKernels,
  forwardProduct,
  reduceParts,
  WEIGHT_PARTS,
  weightProductKernels,
  weightWords,
} from "./conv2d.ts";

const around = () => import("../../../shaders/conv/conv-block.wgsl?raw");
const windows = () => import("../../../shaders/conv/window-fragment.wgsl?raw");
const windowSizes = () => import("../../../shaders/conv/window-sizes-fragment.wgsl?raw");
const result = () => import("../../../shaders/conv/conv-block-result-fragment.wgsl?raw");
const weightRows = () => import("../../../shaders/conv/conv-block-weight-rows-fragment.wgsl?raw");
const rowStrip = () => import("../../../shaders/conv/row-strip.wgsl?raw");
const rowStripPixels = () => import("../../../shaders/conv/row-strip-fragment.wgsl?raw");
const rowStripBackward = () => import("../../../shaders/conv/row-strip-backward.wgsl?raw");
const fewChannels = () => import("../../../shaders/conv/few-channels.wgsl?raw");
const fewChannelsBackward = () => import("../../../shaders/conv/few-channels-backward.wgsl?raw");

/** `rowStrip` and `fewChannels` mean the default where they do not apply. */
export const BLOCK_VARIANTS = ["rowStrip", "fewChannels", ...TILE_VARIANTS];

const aroundShader = new Shader("conv-block.wgsl", around, specialFunctions);
const rowStripShader = new Shader(
  "row-strip.wgsl",
  // First, because of its directive `enable subgroups`.
  rowStripPixels,
  windowSizes,
  windows,
  rowStrip,
  specialFunctions,
);
const rowStripBackwardShader = new Shader("row-strip-backward.wgsl", rowStripPixels, rowStripBackward);
const fewChannelsShader = new Shader(
  "few-channels.wgsl",
  windowSizes,
  windows,
  fewChannels,
  specialFunctions,
);
const fewChannelsBackwardShader = new Shader("few-channels-backward.wgsl", fewChannelsBackward);
const forwardShader = gemmShader("conv-block.wgsl", ...FORWARD_PARTS, result, windows, specialFunctions);
const weightShader = gemmShader("conv-block-weight.wgsl", ...WEIGHT_PARTS, weightRows);

export function blockForwardKernels(c: BlockConstants, env: KernelEnv): KernelPlan {
  if (rowStripApplies(c, env)) return { kernels: [forwardRowStrip(c)] };
  if (fewChannelsApply(c, env)) return { kernels: [forwardFewChannels(c)] };
  if (!hasSquareWindows(c)) {
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
  const product = { ...forwardProduct(c, env), shader: forwardShader, N: c.N * c.PH * c.PW * 4 };
  return { kernels: [convProductKernel({ ...product, bind: [...product.bind, "code"] }, env)] };
}

export function blockBackwardKernels(c: BlockBackwardConstants, env: KernelEnv): KernelPlan {
  if (fewChannelsApply(c, env)) return backwardFewChannels(c, env);
  const strips = rowStripApplies(c, env);
  // A strip of the input gradient is what five windows of one row reach; nothing may lie to the right of it.
  const inputStrips = strips && c.needsX && c.PW <= 5 && c.W + c.padLeft <= 14;
  const weightStrips = strips && c.needsW;
  const plans: KernelPlan[] = [];
  let dense = false;
  if (inputStrips || weightStrips) plans.push(backwardRowStrip(c, inputStrips, weightStrips, env));
  if (c.needsX && !inputStrips) {
    plans.push(denseGradient(backwardInputKernels(c, env)));
    dense = true;
  }
  if (c.needsW && !weightStrips && hasSquareWindows(c)) {
    plans.push(weightProductKernels(c, weightShader, [c.PH * 2, c.PW * 2], ["dy", "code"], env));
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

/** Windows per partial sum of the weight gradient: many short ones cost memory traffic, few long ones lose precision. */
const LEAST_CHUNK = 64;
const LARGEST_CHUNK = 1024;

/** Either gradient, or both in one dispatch; the partial sums of the weight gradient are reduced in another. */
function backwardRowStrip(
  c: BlockBackwardConstants,
  input: boolean,
  weight: boolean,
  env: KernelEnv,
): KernelPlan {
  // The 16 lanes of a workgroup have one row of 16 images, or several rows of fewer.
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
  const UNCHECKED = !input || (c.PW === 5 && IMAGES === 16);
  const first: Kernel = {
    shader: rowStripBackwardShader,
    entry: "backward",
    bind: ["x", "w", "dy", "code", "partial", "dx"],
    constants: { CHUNK, PARTS, INPUT_GROUPS, IMAGES, UNCHECKED },
    groups: spread(INPUT_GROUPS + Math.ceil((channels * PARTS) / 4)),
  };
  return {
    scratch: { partial: Math.max(1, PARTS * weightWords(c)) },
    kernels: weight ? [first, reduceParts(c, PARTS, env)] : [first],
  };
}

function forwardFewChannels(c: BlockConstants): Kernel {
  return {
    shader: fewChannelsShader,
    entry: "forward",
    bind: ["x", "w", c.BIAS ? "b" : ["b", "w"], "y", "code"],
    groups: spread(Math.ceil((c.N * c.PH * c.PW) / 64) * Math.ceil(c.O / 4)),
  };
}

/** Either gradient, or both in one dispatch; the partial sums of the weight gradient are reduced in another. */
function backwardFewChannels(c: BlockBackwardConstants, env: KernelEnv): KernelPlan {
  const blocks = (size: number, pad: number) => Math.ceil((size + pad) / 2) - Math.floor(pad / 2);
  const reached = c.N * blocks(c.H, c.padTop) * blocks(c.W, c.padLeft);
  const INPUT_GROUPS = c.needsX ? Math.ceil(reached / 64) * Math.ceil(c.C / 2) : 0;
  const FOURS = Math.min(4, Math.ceil(c.O / 4), Math.floor(256 / (c.KH * c.KW + 1)));
  // Tiles of at most 8 x 8 windows, all of about the same size.
  const tileOf = (size: number) => Math.ceil(size / Math.ceil(size / 8));
  const [ROWS, COLUMNS] = [tileOf(c.PH), tileOf(c.PW)];
  const tiles = c.N * Math.ceil(c.PH / ROWS) * Math.ceil(c.PW / COLUMNS);
  const shares = c.C * Math.ceil(c.O / (FOURS * 4));
  // 512 workgroups keep large GPUs busy; reducing more than 256 parts takes long.
  const CHUNK = Math.ceil(tiles / Math.min(256, Math.ceil(512 / shares)));
  const PARTS = c.needsW ? Math.ceil(tiles / CHUNK) : 0;
  const first: Kernel = {
    shader: fewChannelsBackwardShader,
    entry: "backward",
    bind: ["x", "w", "dy", "code", "partial", "dx"],
    constants: { INPUT_GROUPS, FOURS, ROWS, COLUMNS, CHUNK, PARTS },
    groups: spread(INPUT_GROUPS + shares * PARTS),
  };
  return {
    scratch: { partial: Math.max(1, PARTS * weightWords(c)) },
    kernels: c.needsW ? [first, reduceParts(c, PARTS, env)] : [first],
  };
}

function forwardRowStrip(c: BlockConstants): Kernel {
  // Small workgroups leave fewer lanes idle, large ones have less overhead. By batch size, so that all layers share a pipeline.
  const LANES = c.N <= 4 ? 16 : c.N <= 16 ? 32 : 64;
  const strips = c.N * c.PH * Math.ceil(c.PW / 5);
  return {
    shader: rowStripShader,
    entry: "forward",
    bind: ["x", ["x2", "x"], "w", c.BIAS ? "b" : ["b", "w"], "y", "code"],
    constants: { EVEN: c.W % 2 === 0 && c.padLeft % 2 === 0, LANES },
    groups: spread(Math.ceil((strips * 2) / LANES) * Math.ceil(c.O / 6)),
  };
}

function rowStripApplies(c: BlockConstants, env: KernelEnv): boolean {
  const wanted = env.variant === "rowStrip" || (env.variant === undefined && env.barrierCost === "high");
  return (
    wanted &&
    hasQuads(env) &&
    hasSquareWindows(c) &&
    [c.KH, c.KW].every((size) => size === 5) &&
    [c.strideY, c.strideX, c.dilationY, c.dilationX].every((step) => step === 1)
  );
}

function fewChannelsApply(c: BlockConstants, env: KernelEnv): boolean {
  const possible =
    hasSquareWindows(c) &&
    env.maxWorkgroupSize >= 256 &&
    [c.KH, c.KW].every((size) => size <= 13) &&
    c.C * c.KH * c.KW <= 1024 &&
    [c.strideY, c.strideX, c.dilationY, c.dilationX].every((step) => step === 1);
  // So few channels fill the GEMM tiles, at least 32 x 32, at most half; full tiles reuse more of what they read.
  const good = c.C <= 16 && c.O <= 32;
  return (
    possible &&
    (env.variant === "fewChannels" || (env.variant === undefined && env.barrierCost === "low" && good))
  );
}

/** Kernels of conv2d that read dy, made to read the gradient before pooling, which `unpool` writes. */
function denseGradient({ kernels, scratch }: KernelPlan): KernelPlan {
  return { ...(scratch ? { scratch } : {}), kernels: kernels.map((kernel) => rebind(kernel, "dy", "dense")) };
}

/** `kernel` with tensor `to` bound where it bound `from`. */
function rebind(kernel: Kernel, from: string, to: string): Kernel {
  const bind = kernel.bind.map((b) => {
    const [variable, name] = typeof b === "string" ? [b, b] : b;
    return [variable, name === from ? to : name] as const;
  });
  return { ...kernel, bind };
}

function hasSquareWindows(c: BlockConstants): boolean {
  return c.PKH === 2 && c.PKW === 2;
}
