/**
 * The kernels of a matrix product with what may follow it (bias, activation, derivative of an activation, a term): matmul, linear layers and im2col convolutions run as these. Chooses the tile, which operand's rows become rows of
 * tiles, and into how many parts a long sum is split.
 */

import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { ACTIVATION } from "../activation-codes.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";
import { chooseTile, cutSum, gemmShader, TILE_VARIANTS, tilesOf } from "./tiles.ts";

const operands = () => import("../../../shaders/gemm/matrix-operands-fragment.wgsl?raw");
const result = () => import("../../../shaders/gemm/matrix-result-fragment.wgsl?raw");
const store = () => import("../../../shaders/gemm/matrix-store-fragment.wgsl?raw");
const storeVector = () => import("../../../shaders/gemm/matrix-store-vector-fragment.wgsl?raw");
const storeSaving = () => import("../../../shaders/gemm/matrix-store-saving-fragment.wgsl?raw");
const storeSavingVector = () => import("../../../shaders/gemm/matrix-store-saving-vector-fragment.wgsl?raw");
const reduce = () => import("../../../shaders/gemm/reduce-splits.wgsl?raw");

const scalar = gemmShader("matmul.wgsl", operands, result, store, specialFunctions);
const vectors = gemmShader("matmul-vector.wgsl", operands, result, storeVector, specialFunctions);
const saving = gemmShader("matmul-saving.wgsl", operands, result, storeSaving, specialFunctions);
const savingVectors = gemmShader(
  "matmul-saving-vector.wgsl",
  operands,
  result,
  storeSavingVector,
  specialFunctions,
);
const reduceShader = new Shader("reduce-splits.wgsl", reduce, result, specialFunctions);

/** How the operands move from one product of a batch to the next, as matrix-operands-fragment.wgsl has it. */
export type Batch = Readonly<Record<"BATCH" | "Z1" | "Z2" | `${"A" | "B"}${0 | 1 | 2}`, number>>;

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
  /** Added to the sum. */
  readonly bias?: string | undefined;
  /** Whether there is one bias per row, of which every last index of the batch has its own; default: one per column. */
  readonly biasPerRow?: boolean;
  /** Code of the activation after that. */
  readonly activation?: number;
  /** Where what the activation is applied to is stored, too. */
  readonly before?: string | undefined;
  /** Of y's shape, combined with it last: ADDED, or what is saved of the activation whose derivative is a factor. */
  readonly extra?: { readonly name: string; readonly kind: number } | undefined;
}

/** Tiles, and `splitK`: the default tile with the sum in at least two parts. */
export const PRODUCT_VARIANTS = [...TILE_VARIANTS, "splitK"];

/** Where compiling is slow, small products of different sizes share one pipeline. Forced variants stand alone. */
function sharesPipelines({ compileCost, variant }: KernelEnv): boolean {
  return compileCost === "high" && variant === undefined;
}

export function productKernels(product: Product, env: KernelEnv): KernelPlan {
  const batch = product.batch ?? SINGLE;
  const work = batch.BATCH * product.M * product.N * product.K;
  // Computing yᵀ = Bᵀ Aᵀ may leave less of the tiles empty; it stores single elements, so it has to be worth it, and where
  // compiling is slow another pipeline, too.
  const straightArea = coveredArea(product.M, product.N, batch, env);
  const transposedArea = coveredArea(product.N, product.M, batch, env);
  const transposed = transposedArea <= 0.9 * straightArea && !(work < 2 ** 18 && sharesPipelines(env));
  const { M, N, K, A, B, ...strides } = transposed ? transpose(product, batch) : straight(product, batch);
  const tile = chooseTile(M, N, batch.BATCH, env);
  const [TILES_M, TILES_N] = tilesOf(M, N, tile);
  const groups = TILES_M * TILES_N * batch.BATCH;
  const { parts: SPLITS, CHUNK } = splitsOf(product, groups, env);
  const sizes = {
    M,
    N,
    K,
    TRANSPOSE_A: A.transpose,
    TRANSPOSE_B: B.transpose,
    A_COLUMNS: A.columns,
    B_COLUMNS: B.columns,
    A_VECTOR: A.columns % 4 === 0,
    B_VECTOR: B.columns % 4 === 0,
    A_EVEN: A.columns % 2 === 0,
    B_EVEN: B.columns % 2 === 0,
    UNBATCHED: batch.BATCH === 1 && SPLITS === 1,
    K_TAIL: K % tile.step !== 0,
    YM: transposed ? 1 : N,
    YN: transposed ? M : 1,
    BATCH: batch.BATCH,
    Z1: batch.Z1,
    Z2: batch.Z2,
    ...strides,
    TILES_M,
    TILES_N,
    SPLITS,
    CHUNK,
    LANES: tile.LANES,
    SEPARATE_LOOPS: false,
  };
  const { activation = ACTIVATION.none, biasPerRow = false } = product;
  const relu = activation === ACTIVATION.relu;
  const epilogue = {
    BIAS: product.bias === undefined ? 0 : biasPerRow === transposed ? 1 : 2,
    RELU: relu,
    activation: relu ? ACTIVATION.none : activation,
    EXTRA: product.extra?.kind ?? 0,
  };
  const nothing = { BIAS: 0, RELU: false, activation: 0, EXTRA: 0 };
  // Small products share the pipeline that stores single elements, whatever N is.
  const large = M * N * batch.BATCH > 10000;
  const vector = !transposed && N % 4 === 0 && (large || !sharesPipelines(env));
  // A kernel must bind what it may read; an operand takes the place of what is missing, and is not read there.
  const extras: Kernel["bind"] = [
    ["bias", product.bias ?? A.name],
    ["extra", product.extra?.name ?? A.name],
  ];
  const stored = product.before === undefined ? [] : [["before", product.before] as const];
  const [one, four] = product.before === undefined ? [scalar, vectors] : [saving, savingVectors];
  const sums = (y: string, ending: typeof epilogue): Kernel => ({
    shader: (vector ? four : one)(tile),
    entry: tile.entry,
    bind: [["a", A.name], ["a4", A.name], ["b", B.name], ["b4", B.name], ...extras, ["y", y], ...stored],
    constants: { ...sizes, ...ending },
    groups: spread(groups * SPLITS),
  });
  if (SPLITS === 1) return { kernels: [sums(product.y, epilogue)] };
  const size = M * N * batch.BATCH;
  const partial = `${product.y}Partial`;
  const second: Kernel = {
    shader: reduceShader,
    entry: "reduceSplits",
    bind: [["partial", partial], ...extras, ["y", product.y]],
    constants: { ...sizes, ...epilogue },
    groups: spread(Math.ceil(size / 64)),
  };
  return { scratch: { [partial]: SPLITS * size }, kernels: [sums(partial, nothing), second] };
}

/** Elements of the result that tiles cover, those beyond its edges included. */
function coveredArea(M: number, N: number, { BATCH }: Batch, env: KernelEnv): number {
  const tile = chooseTile(M, N, BATCH, env);
  const [down, across] = tilesOf(M, N, tile);
  return down * across * tile.rows * tile.columns;
}

function straight({ M, N, K, a, b, transposeA, transposeB }: Product, batch: Batch) {
  const { A0, A1, A2, B0, B1, B2 } = batch;
  const A = { name: a, transpose: transposeA, columns: transposeA ? M : K };
  const B = { name: b, transpose: transposeB, columns: transposeB ? K : N };
  return { M, N, K, A, B, A0, A1, A2, B0, B1, B2 };
}

function transpose({ M, N, transposeA, transposeB, a, b, ...rest }: Product, batch: Batch) {
  const { A0, A1, A2, B0, B1, B2 } = batch;
  const swapped = { M: N, N: M, a: b, b: a, transposeA: !transposeB, transposeB: !transposeA };
  return straight({ ...rest, ...swapped }, { ...batch, A0: B0, A1: B1, A2: B2, B0: A0, B1: A1, B2: A2 });
}

/** Splits a long sum when there are too few tiles to keep the adapter busy. What adds the parts up stores one result. */
function splitsOf({ K, before }: Product, groups: number, { parallelism, variant }: KernelEnv) {
  if (before !== undefined) return cutSum(K, 1);
  const busy = parallelism === "low" ? 16 : 256;
  // A shorter part is done before a second dispatch would have begun.
  const least = parallelism === "low" ? 512 : 256;
  const wanted = Math.min(Math.ceil(busy / groups), Math.floor(K / least));
  return cutSum(K, variant === "splitK" ? Math.max(2, wanted) : wanted);
}
