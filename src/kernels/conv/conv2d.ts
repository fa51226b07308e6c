/**
 * Which kernels a convolution runs as. `quad`, `registers`, `slabs`, `smallSlabs` are the tiles of matmul over operands read in
 * place (see matmul-kernels.ts); `rows` is for few channels on adapters that run on a CPU; `im2col` lays out a matrix of
 * columns first; `direct` sums output by output, for groups too small for tiles.
 */

import type { ConvConstants } from "../../geometry/conv.ts";
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader, type ShaderSource } from "../../graph/shader.ts";
import { hasQuads } from "../gemm/matmul.ts";

const direct = () => import("../../../shaders/conv/conv2d.wgsl?raw");
const combine = () => import("../../../shaders/conv/conv2d-combine.wgsl?raw");
const forward = () => import("../../../shaders/conv/conv2d-forward.wgsl?raw");
const gradients = () => import("../../../shaders/conv/conv2d-gradients.wgsl?raw");
const input = () => import("../../../shaders/conv/conv2d-input.wgsl?raw");
const part = () => import("../../../shaders/conv/conv2d-part.wgsl?raw");
const places = () => import("../../../shaders/conv/conv2d-places.wgsl?raw");
const weight = () => import("../../../shaders/conv/conv2d-weight.wgsl?raw");
const weightParts = () => import("../../../shaders/conv/conv2d-weight-parts.wgsl?raw");
const weightWhole = () => import("../../../shaders/conv/conv2d-weight-whole.wgsl?raw");
const columns = () => import("../../../shaders/conv/im2col.wgsl?raw");
const few = () => import("../../../shaders/conv/conv2d-rows.wgsl?raw");
const plain = () => import("../../../shaders/gemm/matmul.wgsl?raw");
const quad = () => import("../../../shaders/gemm/matmul-quad.wgsl?raw");
const swaps = () => import("../../../shaders/gemm/quad-functions.wgsl?raw");
const quadTile = () => import("../../../shaders/conv/conv2d-quad.wgsl?raw");

export const TILE_VARIANTS = ["quad", "registers", "slabs", "smallSlabs"];
/** `rows` means the default where it does not apply. */
export const CONV_VARIANTS = [...TILE_VARIANTS, "rows", "direct", "im2col"];

const conv2d = new Shader("conv2d.wgsl", direct);
const secondStage = new Shader("conv2d-combine.wgsl", combine);
const im2col = new Shader("im2col.wgsl", columns);
const fewChannels = new Shader("conv2d-rows.wgsl", few);

/** The tiles of matmul with these operands. */
// @__NO_SIDE_EFFECTS__
export function tiled(name: string, ...operands: readonly ShaderSource[]) {
  return {
    quad: new Shader(`${name}-quad`, quad, swaps, quadTile, part, ...operands),
    plain: new Shader(name, plain, part, ...operands),
  };
}

const forwardTiles = tiled("conv2d-forward.wgsl", forward, places);
const inputTiles = tiled("conv2d-input.wgsl", input);
const weightTiles = tiled("conv2d-weight.wgsl", weight, weightParts, gradients);
const wholeWeightTiles = tiled("conv2d-weight-whole.wgsl", weight, weightWhole, gradients);

/** A product of `rows` x `depth` by `depth` x `columns` for each of `count` groups and parts. */
export interface TileJob {
  readonly tiles: ReturnType<typeof tiled>;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly count: number;
  /** Four columns of the result may be written as one. */
  readonly vector: boolean;
  readonly TRANSPOSE_A: boolean;
  readonly TRANSPOSE_B: boolean;
  readonly bind: Kernel["bind"];
  readonly constants?: Kernel["constants"];
}

interface Family {
  readonly entry: string;
  /** Of the product, that one workgroup computes. */
  readonly rows: number;
  readonly columns: number;
  /** Taken at once along the sum. */
  readonly step: number;
  readonly LANES: number;
}

const SLABS: Family = { entry: "slabs", rows: 64, columns: 64, step: 16, LANES: 64 };
const SMALL_SLABS: Family = { entry: "smallSlabs", rows: 32, columns: 32, step: 32, LANES: 64 };
const REGISTERS: Family = { entry: "registers", rows: 8, columns: 64, step: 4, LANES: 8 };

/** The tiles for a product, as matmul chooses them. */
function familyOf(
  { rows, columns, count }: Pick<TileJob, "rows" | "columns" | "count">,
  env: KernelEnv,
): Family {
  const { barrierCost, subgroupSize, variant } = env;
  if (variant === "slabs") return SLABS;
  if (variant === "smallSlabs") return SMALL_SLABS;
  if (variant === "registers" || (barrierCost === "high" && !hasQuads(env))) return REGISTERS;
  if (barrierCost === "high" || (variant === "quad" && hasQuads(env))) {
    return { entry: "quad", rows: 16, columns: 4 * subgroupSize, step: 4, LANES: subgroupSize };
  }
  // Too few large tiles leave most of a chip idle.
  return Math.ceil(rows / 64) * Math.ceil(columns / 64) * count < 128 ? SMALL_SLABS : SLABS;
}

/** The kernel that does `job`. */
export function tileKernel(job: TileJob, env: KernelEnv): Kernel {
  const family = familyOf(job, env);
  const TILES_M = Math.ceil(job.rows / family.rows);
  const TILES_N = Math.ceil(job.columns / family.columns);
  return {
    shader: family.entry === "quad" ? job.tiles.quad : job.tiles.plain,
    entry: job.vector ? `${family.entry}Vector` : family.entry,
    bind: job.bind,
    constants: {
      ...job.constants,
      TILES_M,
      TILES_N,
      LANES: family.LANES,
      RAGGED: family.entry !== "quad" && job.depth % family.step !== 0,
      ODD: job.depth % 2 !== 0,
      TRANSPOSE_A: job.TRANSPOSE_A,
      TRANSPOSE_B: job.TRANSPOSE_B,
    },
    groups: spread(TILES_M * TILES_N * job.count),
  };
}

/** Into how many parts a sum over `places` is cut so that tiles of `rows` x `columns` keep the adapter busy. */
export function partsOf(rows: number, columns: number, groups: number, places: number, env: KernelEnv) {
  const family = familyOf({ rows, columns, count: groups }, env);
  const tiles = Math.ceil(rows / family.rows) * Math.ceil(columns / family.columns) * groups;
  const wanted = Math.min(Math.ceil((env.parallelism === "low" ? 64 : 512) / tiles), Math.ceil(places / 256));
  // Parts are whole steps of every family, since how many there are may change the family.
  const CHUNK = Math.ceil(places / Math.max(1, wanted) / 32) * 32;
  return { PARTS: Math.ceil(places / CHUNK), CHUNK };
}

/** The variant that is forced, else the one for this shape: a channel or few per group would leave tiles empty. */
function variantOf(rows: number, { parallelism, variant }: KernelEnv): string {
  if (variant === "direct" || variant === "im2col") return variant;
  return variant === undefined && rows < (parallelism === "low" ? 2 : 8) ? "direct" : "tiles";
}

/** Whether `rows` is to compute a convolution into `channels` channels of planes `width` wide. */
function rowsApply(c: ConvConstants, channels: number, width: number, env: KernelEnv): boolean {
  const { barrierCost, variant } = env;
  const possible =
    hasQuads(env) &&
    [c.strideY, c.strideX, c.dilationY, c.dilationX, c.GROUPS].every((n) => n === 1) &&
    c.KW <= 5;
  // Six channels and eight places at a time: what is left empty counts against it.
  const good = channels <= 6 && c.KW > 2 && width > 4;
  return possible && (variant === "rows" || (variant === undefined && barrierCost === "high" && good));
}

/** The convolution that `constants`, those of conv2d with other names for what plays which part, describe. */
function rowsKernel(
  bind: Kernel["bind"],
  constants: ConvConstants & { readonly TURNED: boolean },
): KernelPlan {
  const { N, O, OH, OW } = constants;
  const groups = spread(Math.ceil((Math.ceil(OW / 8) * OH * N) / 32) * Math.ceil(O / 6));
  return { kernels: [{ shader: fewChannels, entry: "rows", bind, constants, groups }] };
}

export function forwardKernels(c: ConvConstants, env: KernelEnv): KernelPlan {
  if (rowsApply(c, c.O, c.OW, env)) {
    return rowsKernel(["x", "w", c.BIAS ? "b" : ["b", "w"], "y"], { ...c, TURNED: false });
  }
  const variant = variantOf(c.OG, env);
  if (variant === "im2col") {
    const product: Kernel = {
      shader: im2col,
      entry: "forward",
      bind: [["columns", "col"], "w", "b", "y"],
      groups: [Math.ceil((c.OH * c.OW) / TILE), Math.ceil(c.OG / TILE), c.N * c.GROUPS],
    };
    return { scratch: { col: columnWords(c) }, kernels: [columnKernel(c), product] };
  }
  if (variant === "direct") {
    const groups = spread(Math.ceil((c.N * c.O * c.OH * c.OW) / 64));
    return { kernels: [{ shader: conv2d, entry: "forward", bind: ["x", "w", "b", "y"], groups }] };
  }
  const vector = (c.OH * c.OW) % 4 === 0;
  const job: TileJob = {
    tiles: forwardTiles,
    rows: c.OG,
    columns: c.N * c.OH * c.OW,
    depth: c.CG * c.KH * c.KW,
    count: c.GROUPS,
    vector,
    TRANSPOSE_A: false,
    TRANSPOSE_B: false,
    // A kernel must bind what it may read: without a bias it binds w again and does not look.
    bind: ["x", "w", ["w4", "w"], c.BIAS ? "b" : ["b", "w"], vector ? ["y4", "y"] : "y"],
    constants: { BY_PLACE: env.barrierCost === "high" && c.CG % 4 === 0 },
  };
  return { kernels: [tileKernel(job, env)] };
}

export function backwardInputKernels(c: ConvConstants, env: KernelEnv): KernelPlan {
  const [padTop, padLeft] = [c.KH - 1 - c.padTop, c.KW - 1 - c.padLeft];
  if (padTop >= 0 && padLeft >= 0 && rowsApply(c, c.C, c.W, env)) {
    const turned = { C: c.O, H: c.OH, W: c.OW, O: c.C, OH: c.H, OW: c.W, padTop, padLeft, BIAS: false };
    return rowsKernel([["x", "dy"], "w", ["b", "w"], ["y", "dx"]], { ...c, ...turned, TURNED: true });
  }
  const variant = variantOf(c.CG, env);
  const pixels = spread(Math.ceil((c.N * c.C * c.H * c.W) / 64));
  if (variant === "im2col") {
    const product: Kernel = {
      shader: im2col,
      entry: "backwardColumns",
      bind: ["dy", "w", ["dcol", "col"]],
      groups: [Math.ceil((c.OH * c.OW) / TILE), Math.ceil((c.CG * c.KH * c.KW) / TILE), c.N * c.GROUPS],
    };
    const sum: Kernel = { shader: im2col, entry: "col2im", bind: [["columns", "col"], "dx"], groups: pixels };
    return { scratch: { col: columnWords(c) }, kernels: [product, sum] };
  }
  if (variant === "direct") {
    return { kernels: [{ shader: conv2d, entry: "backwardInput", bind: ["dy", "w", "dx"], groups: pixels }] };
  }
  const vector = (c.H * c.W) % 4 === 0;
  const job: TileJob = {
    tiles: inputTiles,
    rows: c.CG,
    columns: c.N * c.H * c.W,
    depth: c.OG * c.KH * c.KW,
    count: c.GROUPS,
    vector,
    TRANSPOSE_A: true,
    TRANSPOSE_B: false,
    bind: ["dy", "w", vector ? ["dx4", "dx"] : "dx"],
  };
  return { kernels: [tileKernel(job, env)] };
}

export function backwardWeightKernels(c: ConvConstants, env: KernelEnv): KernelPlan {
  const variant = variantOf(c.OG, env);
  const count = c.O * c.CG * c.KH * c.KW + c.O;
  if (variant === "tiles") {
    const PLACES = c.N * c.OH * c.OW;
    const size = { rows: c.OG, columns: c.CG * c.KH * c.KW + 1 };
    const parts = partsOf(size.rows, size.columns, c.GROUPS, PLACES, env);
    const whole = parts.PARTS === 1;
    const job: TileJob = {
      ...size,
      tiles: whole ? wholeWeightTiles : weightTiles,
      depth: PLACES,
      count: c.GROUPS * parts.PARTS,
      vector: false,
      TRANSPOSE_A: false,
      TRANSPOSE_B: true,
      bind: ["x", "dy", ["dy4", "dy"], ...(whole ? ["dw", "db"] : ["partial"])],
      constants: { ...parts, PLACES, ROWS: c.OH, COLUMNS: c.OW },
    };
    if (whole) return { kernels: [tileKernel(job, env)] };
    return {
      scratch: { partial: parts.PARTS * count },
      kernels: [tileKernel(job, env), combineParts(c, parts.PARTS, env.parallelism === "high")],
    };
  }
  const CHUNK = Math.ceil(c.N / 16);
  const PARTS = Math.ceil(c.N / CHUNK);
  const constants = { PARTS, CHUNK };
  if (variant === "im2col") {
    const product: Kernel = {
      shader: im2col,
      entry: "backwardWeight",
      bind: [["columns", "col"], ["g", "dy"], "partial"],
      constants,
      groups: [Math.ceil((c.CG * c.KH * c.KW) / TILE), Math.ceil(c.OG / TILE), c.GROUPS * PARTS],
    };
    return {
      scratch: { col: columnWords(c), partial: PARTS * count },
      kernels: [columnKernel(c), product, combineParts(c, PARTS, env.parallelism === "high")],
    };
  }
  const first: Kernel = {
    shader: conv2d,
    entry: "backwardWeight",
    bind: ["x", ["g", "dy"], "partial"],
    constants,
    groups: spread(Math.ceil((count * PARTS) / 64)),
  };
  return {
    scratch: { partial: PARTS * count },
    kernels: [first, combineParts(c, PARTS, env.parallelism === "high")],
  };
}

/** The second stage of a weight gradient: adds up `partial` [PARTS, weights, biases]. `real`: for GPUs. */
export function combineParts(c: ConvConstants, PARTS: number, real: boolean): Kernel {
  const WEIGHTS = c.O * c.CG * c.KH * c.KW;
  // Eight lanes to a sum; few parts would leave most of them without any.
  const wide = real && PARTS > 8;
  return {
    shader: secondStage,
    entry: wide ? "combineWide" : "combine",
    bind: [["parts", "partial"], "dw", "db"],
    constants: { WEIGHTS, BIASES: c.O, PARTS },
    groups: spread(Math.ceil((WEIGHTS + c.O) / (wide ? 32 : 64))),
  };
}

/** Outputs of a matrix product that one workgroup of im2col.wgsl covers, each way. */
const TILE = 32;

function columnWords(c: ConvConstants): number {
  return c.N * c.C * c.KH * c.KW * c.OH * c.OW;
}

function columnKernel(c: ConvConstants): Kernel {
  const groups = spread(Math.ceil(columnWords(c) / 64));
  return { shader: im2col, entry: "im2col", bind: ["x", "col"], groups };
}
