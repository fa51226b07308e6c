/**
 * Which kernels a convolution runs as: the tiles of the GEMM family over im2col views that are never laid out in memory;
 * `im2col`, which lays them out first; or `direct`, which sums output by output, for groups too small for tiles.
 */

import type { ConvConstants } from "../../geometry/conv.ts";
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { type Batch, productKernels } from "../gemm/matmul.ts";
import { chooseTile, cutSum, gemmShader, TILE_VARIANTS, tilesOf } from "../gemm/tiles.ts";

const direct = () => import("../../../shaders/conv/direct-conv.wgsl?raw");
const sizes = () => import("../../../shaders/conv/conv-sizes-fragment.wgsl?raw");
const reduce = () => import("../../../shaders/conv/reduce-weight-parts.wgsl?raw");
const columns = () => import("../../../shaders/conv/im2col.wgsl?raw");
const family = () => import("../../../shaders/conv/conv-fragment.wgsl?raw");
const operands = () => import("../../../shaders/conv/conv-operands-fragment.wgsl?raw");
const result = () => import("../../../shaders/conv/conv-result-fragment.wgsl?raw");
const store = () => import("../../../shaders/conv/conv-store-fragment.wgsl?raw");
const storeVector = () => import("../../../shaders/conv/conv-store-vector-fragment.wgsl?raw");
const weightOperands = () => import("../../../shaders/conv/conv-weight-operands-fragment.wgsl?raw");
const weightRows = () => import("../../../shaders/conv/conv-weight-rows-fragment.wgsl?raw");

export const CONV_VARIANTS = [...TILE_VARIANTS, "direct", "im2col"];

/** What every convolution's product, and every weight gradient's, has beside its result and its operand A. */
export const FORWARD_PARTS = [family, operands] as const;
export const WEIGHT_PARTS = [family, weightOperands] as const;

const directShader = new Shader("direct-conv.wgsl", sizes, direct);
const reduceShader = new Shader("reduce-weight-parts.wgsl", reduce);
const im2colShader = new Shader("im2col.wgsl", sizes, columns);
const scalar = gemmShader("conv2d.wgsl", family, operands, result, store);
const vectors = gemmShader("conv2d-vector.wgsl", family, operands, result, storeVector);
const weightShader = gemmShader("conv2d-weight.wgsl", family, weightOperands, weightRows);

/** One product per group of channels, of M x DEPTH by DEPTH x N. */
export interface ConvProduct {
  readonly shader: ReturnType<typeof gemmShader>;
  readonly M: number;
  readonly N: number;
  readonly DEPTH: number;
  readonly GROUPS: number;
  /** The sum is cut into PARTS parts of CHUNK. Default: whole. */
  readonly PARTS?: number;
  readonly CHUNK?: number;
  /** See gemm-fragment.wgsl. */
  readonly TRANSPOSE_A: boolean;
  readonly TRANSPOSE_B: boolean;
  readonly bind: Kernel["bind"];
  readonly constants?: Kernel["constants"];
}

export function convProductKernel(product: ConvProduct, env: KernelEnv): Kernel {
  const { shader, M, N, DEPTH, GROUPS, PARTS = 1, CHUNK = DEPTH, TRANSPOSE_A, TRANSPOSE_B, bind } = product;
  const count = GROUPS * PARTS;
  const tile = chooseTile(M, N, count, env);
  const [TILES_M, TILES_N] = tilesOf(M, N, tile);
  const sizes = { DEPTH, PARTS, CHUNK, TILES_M, TILES_N, LANES: tile.LANES };
  const flags = { K_TAIL: DEPTH % tile.step !== 0, TRANSPOSE_A, TRANSPOSE_B, SEPARATE_LOOPS: false };
  return {
    shader: shader(tile),
    entry: tile.entry,
    bind,
    constants: { ...product.constants, ...sizes, ...flags },
    groups: spread(TILES_M * TILES_N * count),
  };
}

/** The variant that is forced, else the one for this shape: a channel or few per group would leave tiles empty. */
function variantOf(rows: number, { parallelism, variant }: KernelEnv): string {
  if (variant === "direct" || variant === "im2col") return variant;
  return variant === undefined && rows < (parallelism === "low" ? 2 : 8) ? "direct" : "tiles";
}

/** im2col's products, one per image and group: A moves with the group, B and the result with both. */
function batchOf({ N, GROUPS }: ConvConstants, a: number, b: number): Batch {
  return { BATCH: N * GROUPS, Z1: 1, Z2: GROUPS, A0: 0, A1: 0, A2: a, B0: GROUPS * b, B1: 0, B2: b };
}

export function forwardKernels(c: ConvConstants, env: KernelEnv): KernelPlan {
  const variant = variantOf(c.OG, env);
  const [K, P] = [c.CG * c.KH * c.KW, c.OH * c.OW];
  if (variant === "im2col") {
    const operands = { a: "w", b: "col", y: "y", transposeA: false, transposeB: false };
    const bias = c.BIAS ? ({ bias: "b", biasPerRow: true } as const) : {};
    const batch = batchOf(c, c.OG * K, K * P);
    const product = productKernels({ M: c.OG, N: P, K, ...operands, ...bias, batch }, unforced(env));
    return {
      scratch: { ...product.scratch, col: columnWords(c) },
      kernels: [columnKernel(c), ...product.kernels],
    };
  }
  if (variant === "direct") {
    const groups = spread(Math.ceil((c.N * c.O * P) / 64));
    return { kernels: [{ shader: directShader, entry: "forward", bind: ["x", "w", "b", "y"], groups }] };
  }
  return { kernels: [convProductKernel(forwardProduct(c, env), env)] };
}

/**
 * A convolution, or with `INPUT_GRADIENT` the gradient of its input. `c` has sizes as conv-fragment.wgsl names them; `image`,
 * `bias` and `y` are names of tensors.
 */
function imageProduct(
  c: ConvConstants,
  INPUT_GRADIENT: boolean,
  [image, bias, y]: readonly [string, string, string],
  env: KernelEnv,
): ConvProduct {
  // Where channels are a multiple of 4, taking them innermost lets four share one pixel's address. On GPUs it gains less
  // than reading four elements of the kernel as one vector, which the input gradient can't.
  const CHANNELS_INNER = INPUT_GRADIENT || (env.barrierCost === "high" && c.CG % 4 === 0);
  // What the node's own constants name otherwise where the roles of image and result are exchanged.
  const { C, H, W, O, CG, OG, OH, OW, BIAS } = c;
  return {
    shader: (c.OH * c.OW) % 4 === 0 ? vectors : scalar,
    M: c.OG,
    N: c.N * c.OH * c.OW,
    DEPTH: c.CG * c.KH * c.KW,
    GROUPS: c.GROUPS,
    TRANSPOSE_A: INPUT_GRADIENT,
    TRANSPOSE_B: false,
    // A kernel must bind what it may read: without a bias it binds w again and does not look.
    bind: [["x", image], "w", ["w4", "w"], ["b", c.BIAS ? bias : "w"], ["y", y]],
    constants: { C, H, W, O, CG, OG, OH, OW, BIAS, CHANNELS_INNER, INPUT_GRADIENT },
  };
}

/** The product of a convolution alone. */
export function forwardProduct(c: ConvConstants, env: KernelEnv): ConvProduct {
  return imageProduct(c, false, ["x", "b", "y"], env);
}

export function backwardInputKernels(c: ConvConstants, env: KernelEnv): KernelPlan {
  const variant = variantOf(c.CG, env);
  const [K, P] = [c.CG * c.KH * c.KW, c.OH * c.OW];
  const pixels = spread(Math.ceil((c.N * c.C * c.H * c.W) / 64));
  if (variant === "im2col") {
    const operands = { a: "w", b: "dy", y: "col", transposeA: true, transposeB: false };
    const batch = batchOf(c, c.OG * K, c.OG * P);
    const product = productKernels({ M: K, N: P, K: c.OG, ...operands, batch }, unforced(env));
    const sum: Kernel = {
      shader: im2colShader,
      entry: "col2im",
      bind: [["columns", "col"], "dx"],
      groups: pixels,
    };
    return {
      scratch: { ...product.scratch, col: columnWords(c) },
      kernels: [...product.kernels, sum],
    };
  }
  if (variant === "direct") {
    const bind = ["dy", "w", "dx"];
    return { kernels: [{ shader: directShader, entry: "backwardInput", bind, groups: pixels }] };
  }
  const image = { C: c.O, H: c.OH, W: c.OW, CG: c.OG };
  const exchanged = { ...c, ...image, O: c.C, OH: c.H, OW: c.W, OG: c.CG, BIAS: false };
  return { kernels: [convProductKernel(imageProduct(exchanged, true, ["dy", "w", "dx"], env), env)] };
}

export function backwardWeightKernels(c: ConvConstants, env: KernelEnv): KernelPlan {
  const variant = variantOf(c.OG, env);
  if (variant === "tiles") {
    return weightProductKernels(c, weightShader, [c.OH, c.OW], ["dy", ["dy4", "dy"]], env);
  }
  const count = weightWords(c);
  const CHUNK = Math.ceil(c.N / 16);
  const PARTS = Math.ceil(c.N / CHUNK);
  const constants = { PARTS, CHUNK };
  const scratch = { partial: PARTS * count };
  const last = reduceParts(c, PARTS, env);
  if (variant === "im2col") {
    const product: Kernel = {
      shader: im2colShader,
      entry: "backwardWeight",
      bind: [["columns", "col"], ["g", "dy"], "partial"],
      constants,
      groups: [Math.ceil((c.CG * c.KH * c.KW) / TILE), Math.ceil(c.OG / TILE), c.GROUPS * PARTS],
    };
    return { scratch: { ...scratch, col: columnWords(c) }, kernels: [columnKernel(c), product, last] };
  }
  const first: Kernel = {
    shader: directShader,
    entry: "backwardWeight",
    bind: ["x", ["g", "dy"], "partial"],
    constants,
    groups: spread(Math.ceil((count * PARTS) / 64)),
  };
  return { scratch, kernels: [first, last] };
}

/** The weight gradient as a product over `rows` x `columns` output positions of each image; `bindA`: its operand A. */
export function weightProductKernels(
  c: ConvConstants,
  shader: ConvProduct["shader"],
  [ROWS, COLUMNS]: readonly [rows: number, columns: number],
  bindA: Kernel["bind"],
  env: KernelEnv,
): KernelPlan {
  // One column more than there are weights per channel: that of ones, for the bias.
  const [M, N, DEPTH] = [c.OG, c.CG * c.KH * c.KW + 1, c.N * ROWS * COLUMNS];
  const [down, across] = tilesOf(M, N, chooseTile(M, N, c.GROUPS, env));
  const busy = env.parallelism === "low" ? 64 : 512;
  const wanted = Math.min(Math.ceil(busy / (down * across * c.GROUPS)), Math.ceil(DEPTH / 256));
  const { parts: PARTS, CHUNK } = cutSum(DEPTH, wanted);
  const whole = PARTS === 1;
  const product: ConvProduct = {
    shader,
    M,
    N,
    DEPTH,
    GROUPS: c.GROUPS,
    PARTS,
    CHUNK,
    TRANSPOSE_A: false,
    TRANSPOSE_B: true,
    bind: ["x", ...bindA, ["dw", whole ? "dw" : "partial"], "db"],
    constants: { ROWS, COLUMNS },
  };
  const first = convProductKernel(product, env);
  if (whole) return { kernels: [first] };
  return { scratch: { partial: PARTS * weightWords(c) }, kernels: [first, reduceParts(c, PARTS, env)] };
}

/** The second dispatch of a weight gradient: adds up `partial` [PARTS, weights and biases]. */
export function reduceParts(c: ConvConstants, PARTS: number, env: KernelEnv): Kernel {
  const count = weightWords(c);
  // On GPUs eight lanes to a sum; few parts would leave most of them without any.
  const wide = env.parallelism === "high" && PARTS > 8;
  return {
    shader: reduceShader,
    entry: wide ? "reduceWide" : "reduceParts",
    bind: ["partial", "dw", "db"],
    constants: { WEIGHTS: count - c.O, BIASES: c.O, PARTS },
    groups: spread(Math.ceil(count / (wide ? 32 : 64))),
  };
}

/** Numbers in a weight's gradient and its bias's. */
export function weightWords(c: ConvConstants): number {
  return c.O * c.CG * c.KH * c.KW + c.O;
}

/** Outputs of the weight gradient that one workgroup of im2col.wgsl covers, each way. */
const TILE = 32;

function columnWords(c: ConvConstants): number {
  return c.N * c.C * c.KH * c.KW * c.OH * c.OW;
}

function columnKernel(c: ConvConstants): Kernel {
  const groups = spread(Math.ceil(columnWords(c) / 64));
  return { shader: im2colShader, entry: "im2col", bind: ["x", "col"], groups };
}

/** The adapter alone: products of a forced variant are chosen as usual. */
function unforced({ variant: _, ...adapter }: KernelEnv): KernelEnv {
  return adapter;
}
