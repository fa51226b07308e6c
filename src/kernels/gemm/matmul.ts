/**
 * The kernels of a matrix product with what may follow it (bias, activation, slope of a mask): matmul and linear layers
 * run as these. Chooses a kernel for the adapter, which operand goes along the lanes, and into how many parts a long sum
 * is split.
 */

import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { ACTIVATION } from "../activation-codes.ts";
import { specialFunctions } from "../special-functions.ts";

const plain = () => import("../../../shaders/gemm/matmul.wgsl?raw");
const blocks = () => import("../../../shaders/gemm/matmul-blocks.wgsl?raw");
const quad = () => import("../../../shaders/gemm/matmul-quad.wgsl?raw");
const pairs = () => import("../../../shaders/gemm/matmul-pairs.wgsl?raw");
const swaps = () => import("../../../shaders/gemm/quad-functions.wgsl?raw");
const edges = () => import("../../../shaders/gemm/matmul-edges.wgsl?raw");

const plainShader = new Shader("matmul.wgsl", plain, blocks, specialFunctions);
const quadShader = new Shader("matmul-quad.wgsl", quad, pairs, swaps, blocks, specialFunctions);
const edgesShader = new Shader("matmul-edges.wgsl", quad, edges, pairs, swaps, blocks, specialFunctions);

/** How the operands move from one product of a batch to the next, as the shader has it. */
export interface Batch {
  readonly BATCH: number;
  readonly Z1: number;
  readonly Z2: number;
  readonly A0: number;
  readonly A1: number;
  readonly A2: number;
  readonly B0: number;
  readonly B1: number;
  readonly B2: number;
}

const SINGLE: Batch = { BATCH: 1, Z1: 1, Z2: 1, A0: 0, A1: 0, A2: 0, B0: 0, B1: 0, B2: 0 };

/** y = A B, row-major, M x K by K x N; a and b are stored as they are or transposed. */
export interface Product {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Default: one product. */
  readonly batch?: Batch;
  /** Names of the node's tensors. */
  readonly a: string;
  readonly b: string;
  readonly y: string;
  /** One number per column, added to the sum. */
  readonly bias?: string | undefined;
  /** Code of the activation after that. */
  readonly activation?: number;
  /** Output, of y's shape, of the activation with code `masked` whose slope is multiplied in last. */
  readonly mask?: string | undefined;
  readonly masked?: number;
}

export const PRODUCT_VARIANTS = ["quad", "registers", "narrow", "slabs", "smallSlabs", "split"];

interface Family {
  readonly shader: Shader;
  readonly entry: string;
  /** Of y, that one workgroup computes. */
  readonly rows: number;
  readonly columns: number;
  /** ks taken at once. */
  readonly step: number;
  readonly LANES: number;
}

const SLABS: Family = { shader: plainShader, entry: "slabs", rows: 64, columns: 64, step: 16, LANES: 64 };
const SMALL_SLABS: Family = { ...SLABS, entry: "smallSlabs", rows: 32, columns: 32, step: 32 };
const REGISTERS: Family = { ...SLABS, entry: "registers", rows: 8, columns: 64, step: 4, LANES: 8 };

/** True where the kernels that swap rows within quads run: lanes in step, four of them in every subgroup. */
export function hasQuads({ subgroupSize }: KernelEnv): boolean {
  return subgroupSize >= 4 && subgroupSize % 4 === 0;
}

/** Where compiling is slow, small products of different sizes share one pipeline. Forced variants stand alone. */
export function slowToCompile({ compileCost, variant }: KernelEnv): boolean {
  return compileCost === "high" && variant === undefined;
}

/** How workgroups cover y: tiles, and at edges that would leave most of a tile empty blocks of 4 x 4. */
interface Tiling {
  readonly TILES_M: number;
  readonly TILES_N: number;
  readonly EDGE_M: number;
  readonly EDGE_N: number;
  readonly RIGHT_GROUPS: number;
  readonly BELOW_GROUPS: number;
  /** In elements of y that could be had for it. */
  readonly cost: number;
}

/** Blocks have code of their own: what they save, in multiply-adds, has to last as long as that takes to compile. */
const WORTH_BLOCKS = 100_000;

/** `depth`: multiply-adds per element of y. `asked`: for this kernel, whatever it costs to compile. */
function tiling(M: number, N: number, depth: number, family: Family, asked: boolean): Tiling {
  const { rows, columns, LANES } = family;
  const cover = (right: boolean, below: boolean): Tiling => {
    const TILES_M = below ? Math.floor(M / rows) : Math.ceil(M / rows);
    const TILES_N = right ? Math.floor(N / columns) : Math.ceil(N / columns);
    const [EDGE_M, EDGE_N] = [TILES_M * rows, TILES_N * columns];
    // Blocks side by side: of one column of blocks or of one row, in whole quads.
    const blocks = (along: number, across: number) =>
      Math.ceil((Math.ceil(along / 16) * 4 * Math.ceil(Math.max(0, across) / 4)) / LANES);
    const RIGHT_GROUPS = blocks(Math.min(M, EDGE_M), N - EDGE_N);
    const BELOW_GROUPS = blocks(N, M - EDGE_M);
    // A block is a quarter of what a tile has per lane, for half as much.
    const cost = rows * columns * (TILES_M * TILES_N + 0.5 * (RIGHT_GROUPS + BELOW_GROUPS));
    return { TILES_M, TILES_N, EDGE_M, EDGE_N, RIGHT_GROUPS, BELOW_GROUPS, cost };
  };
  const whole = cover(false, false);
  if (family.entry !== "quad") return whole;
  const others = [cover(true, false), cover(false, true), cover(true, true)];
  const best = others.reduce((a, b) => (b.cost < a.cost ? b : a));
  const worth = asked || (whole.cost - best.cost) * depth > WORTH_BLOCKS;
  return worth && best.cost < 0.95 * whole.cost ? best : whole;
}

/** The kernel family for a product. */
function familyOf(M: number, N: number, batch: number, env: KernelEnv): Family {
  const { barrierCost, parallelism, subgroupSize, variant } = env;
  const vectors = Math.min(M, N) <= 4 && (variant === undefined || variant === "split");
  if (vectors || variant === "narrow") {
    const LANES = parallelism === "low" ? 8 : 64;
    return { ...REGISTERS, entry: "narrow", rows: 4, columns: 4 * LANES, LANES };
  }
  if (variant === "slabs") return SLABS;
  if (variant === "smallSlabs") return SMALL_SLABS;
  if (variant === "registers" || (barrierCost === "high" && !hasQuads(env))) return REGISTERS;
  if (barrierCost === "high" || (variant === "quad" && hasQuads(env))) {
    const LANES = subgroupSize;
    return { shader: quadShader, entry: "quad", rows: 16, columns: 4 * LANES, step: 2, LANES };
  }
  // Too few large tiles leave most of a chip idle.
  return Math.ceil(M / 64) * Math.ceil(N / 64) * batch < 128 ? SMALL_SLABS : SLABS;
}

export function productKernels(product: Product, env: KernelEnv): KernelPlan {
  const batch = product.batch ?? SINGLE;
  const family = familyOf(product.M, product.N, batch.BATCH, env);
  const work = batch.BATCH * product.M * product.N * product.K;
  const depth = product.K * batch.BATCH;
  const asked = env.variant !== undefined;
  const across = tiling(product.M, product.N, depth, family, asked);
  const along = tiling(product.N, product.M, depth, family, asked);
  // Computing yᵀ = Bᵀ Aᵀ may waste less at the edges; it writes single elements, so it has to be worth it.
  // Small ones stay as they are: not to compile another pipeline saves more.
  const turned = along.cost <= 0.9 * across.cost && !(work < 2 ** 18 && slowToCompile(env));
  const { M, N, K, A, B } = turned ? turn(product) : straight(product);
  const { cost: _, ...tiles } = turned ? along : across;
  const edges = tiles.RIGHT_GROUPS + tiles.BELOW_GROUPS;
  const groups = (tiles.TILES_M * tiles.TILES_N + edges) * batch.BATCH;
  const { SPLITS, CHUNK } = splitsOf(K, groups, env);
  const steps = turned
    ? { A0: batch.B0, A1: batch.B1, A2: batch.B2, B0: batch.A0, B1: batch.A1, B2: batch.A2 }
    : { A0: batch.A0, A1: batch.A1, A2: batch.A2, B0: batch.B0, B1: batch.B1, B2: batch.B2 };
  // Rows of odd length are read as pairs where products begin at even numbers; narrow quads gain nothing from it.
  const straddle = (...moves: readonly number[]) =>
    family.LANES > 4 && (batch.BATCH === 1 || moves.every((move) => move % 2 === 0));
  const even = (columns: number, ...moves: readonly number[]) => columns % 2 === 0 || straddle(...moves);
  // Small layers of a network know no size, so that they share a pipeline.
  const large = M * N * batch.BATCH > 10000;
  const A_COLUMNS = A.transpose ? M : K;
  const B_COLUMNS = B.transpose ? K : N;
  const sizes = {
    M,
    N,
    K,
    TRANSPOSE_A: A.transpose,
    TRANSPOSE_B: B.transpose,
    A_COLUMNS,
    B_COLUMNS,
    A_FIXED: large ? A_COLUMNS : 0,
    B_FIXED: large ? B_COLUMNS : 0,
    A_VECTOR: A_COLUMNS % 4 === 0,
    B_VECTOR: B_COLUMNS % 4 === 0,
    ALONE: batch.BATCH === 1 && SPLITS === 1,
    RAGGED: family.entry !== "quad" && K % family.step !== 0,
    A_EVEN: even(A_COLUMNS, steps.A0, steps.A1, steps.A2),
    B_EVEN: even(B_COLUMNS, steps.B0, steps.B1, steps.B2),
    A_PAIRS: A_COLUMNS % 2 === 0,
    B_PAIRS: B_COLUMNS % 2 === 0,
    ODD: K % 2 !== 0,
    YM: turned ? 1 : N,
    YN: turned ? M : 1,
    BATCH: batch.BATCH,
    Z1: batch.Z1,
    Z2: batch.Z2,
    ...steps,
    ...tiles,
    right: tiles.RIGHT_GROUPS > 0,
    below: tiles.BELOW_GROUPS > 0,
    SPLITS,
    CHUNK,
    LANES: family.LANES,
  };
  const { activation = ACTIVATION.none } = product;
  const relu = activation === ACTIVATION.relu;
  const after = {
    BIAS: product.bias === undefined ? 0 : turned ? 2 : 1,
    RELU: relu,
    activation: relu ? ACTIVATION.none : activation,
    masked: product.masked ?? 0,
  };
  const nothing = { BIAS: 0, RELU: false, activation: 0, masked: 0 };
  // They write single elements whatever N is, where that saves a pipeline.
  const vector = !turned && N % 4 === 0 && (large || !slowToCompile(env));
  // A kernel must bind what it may read; operands it never reads stand in for what is missing.
  const extras: Kernel["bind"] = [
    ["bias", product.bias ?? A.name],
    ["mask", product.mask ?? A.name],
  ];
  const [a, b] = family.entry === "quad" ? ["a2", "b2"] : ["a4", "b4"];
  const sums = (y: string, ending: typeof after, by4 = vector): Kernel => ({
    shader: edges > 0 ? edgesShader : family.shader,
    entry: `${edges > 0 ? "edges" : family.entry}${by4 ? "Vector" : ""}`,
    bind: [["a", A.name], [a, A.name], ["b", B.name], [b, B.name], ...extras, [by4 ? "y4" : "y", y]],
    constants: { ...sizes, ...ending },
    groups: spread(groups * SPLITS),
    ...(by4 && family.entry === "quad" && env.variant === undefined
      ? { standIn: sums(y, ending, false) }
      : {}),
  });
  if (SPLITS === 1) return { kernels: [sums(product.y, after)] };
  const size = M * N * batch.BATCH;
  const partial = `${product.y}Partial`;
  return {
    scratch: { [partial]: SPLITS * size },
    kernels: [
      sums(partial, nothing),
      {
        shader: plainShader,
        entry: "combine",
        bind: [["partial", partial], ...extras, ["y", product.y]],
        constants: { ...sizes, ...after },
        groups: spread(Math.ceil(size / 64)),
      },
    ],
  };
}

function straight({ M, N, K, a, b, transposeA, transposeB }: Product) {
  return { M, N, K, A: { name: a, transpose: transposeA }, B: { name: b, transpose: transposeB } };
}

function turn({ M, N, K, a, b, transposeA, transposeB }: Product) {
  return { M: N, N: M, K, A: { name: b, transpose: !transposeB }, B: { name: a, transpose: !transposeA } };
}

/** Splits a long sum when there are too few tiles to keep the adapter busy. */
function splitsOf(
  K: number,
  groups: number,
  { parallelism, variant }: KernelEnv,
): { SPLITS: number; CHUNK: number } {
  const busy = parallelism === "low" ? 16 : 256;
  // A shorter part is done before a second dispatch would have begun.
  const least = parallelism === "low" ? 512 : 256;
  const wanted = Math.min(Math.ceil(busy / groups), Math.floor(K / least));
  const parts = variant === "split" ? Math.max(2, wanted) : Math.max(1, wanted);
  // Parts begin at multiples of 32, the longest step of any kernel.
  const CHUNK = Math.ceil(K / parts / 32) * 32;
  return { SPLITS: Math.ceil(K / CHUNK), CHUNK };
}
