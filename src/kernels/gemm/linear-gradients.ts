/**
 * The kernels of a linear layer's gradients: one dispatch for all three, or separate products where those are large or a long
 * batch is to be split.
 */
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { savesInput } from "../activation-codes.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";
import { productKernels } from "./matmul.ts";
import { chooseTile, gemmShader, TILE_VARIANTS, tilesOf } from "./tiles.ts";

const gradients = () => import("../../../shaders/gemm/linear-gradients-fragment.wgsl?raw");
const store = () => import("../../../shaders/gemm/linear-store-fragment.wgsl?raw");
const storeVector = () => import("../../../shaders/gemm/linear-store-vector-fragment.wgsl?raw");

const scalar = gemmShader("linear-gradients.wgsl", gradients, store, specialFunctions);
const vectors = gemmShader("linear-gradients-vector.wgsl", gradients, storeVector, specialFunctions);

/** Tiles, all gradients in one dispatch; or `separate` products. */
export const LINEAR_BACKWARD_VARIANTS = [...TILE_VARIANTS, "separate"];

export type LinearBackwardConstants = {
  readonly N: number;
  readonly IN: number;
  readonly OUT: number;
  /** What `extra` does to dx, 0 where there is none: see withExtra in special-functions.wgsl. */
  readonly extra: number;
  readonly needsX: boolean;
  readonly needsW: boolean;
  readonly needsB: boolean;
};

export function linearBackwardKernels(c: LinearBackwardConstants, env: KernelEnv): KernelPlan {
  const { variant = separateIsBetter(c, env) ? "separate" : undefined } = env;
  return variant === "separate" ? separate(c, env) : { kernels: [together(c, env)] };
}

function separateIsBetter({ N, IN, OUT, needsX, needsW }: LinearBackwardConstants, env: KernelEnv): boolean {
  const tiles = (rows: number) => Math.ceil(rows / 64) * Math.ceil(IN / 64);
  // The sum over a batch this long should be split if dw has few tiles.
  if (needsW && N >= 2048 && tiles(OUT) < 32) return true;
  // Large gradients fill a GPU each; the work of a dispatch saved no longer counts.
  const all = (needsX ? tiles(N) : 0) + (needsW ? tiles(OUT) : 0);
  return env.parallelism === "high" && all >= 256;
}

/** All three in one dispatch. */
function together(c: LinearBackwardConstants, env: KernelEnv): Kernel {
  const { N, IN, OUT, extra, needsX, needsW, needsB } = c;
  const tile = chooseTile((needsX ? N : 0) + (needsW || needsB ? OUT : 0), IN, 1, env);
  const [inputRows, INPUT_TILES] = tilesOf(N, IN, tile);
  const [weightRows, all] = tilesOf(OUT, IN + (needsB ? 1 : 0), tile);
  // Without dw, the tiles of db are those of the last column.
  const FIRST_WEIGHT_TILE = needsW ? 0 : all - 1;
  const WEIGHT_TILES = needsW || needsB ? all - FIRST_WEIGHT_TILE : 0;
  const INPUT_GROUPS = needsX ? inputRows * INPUT_TILES : 0;
  const WEIGHT_GROUPS = weightRows * WEIGHT_TILES;
  const vector = IN % 4 === 0;
  return {
    shader: (vector ? vectors : scalar)(tile),
    entry: tile.entry,
    bind: [
      "x",
      "w",
      "dy",
      ["dy4", "dy"],
      // A kernel must bind what it may read; x takes the place of what is missing.
      ["extra", extra === 0 ? "x" : "extra"],
      "dx",
      "dw",
      "db",
    ],
    constants: {
      INPUT_GROUPS,
      WEIGHT_GROUPS,
      INPUT_TILES,
      WEIGHT_TILES: Math.max(1, WEIGHT_TILES),
      FIRST_WEIGHT_TILE,
      WEIGHT_COLUMNS: needsW ? IN : 0,
      BIAS: needsB,
      IN_VECTOR: vector,
      OUT_VECTOR: OUT % 4 === 0,
      OUT_EVEN: OUT % 2 === 0,
      EXTRA: savesInput(extra) ? extra : 0,
      TRANSPOSE_A: true,
      TRANSPOSE_B: false,
      K_TAIL: N % tile.step !== 0 || OUT % tile.step !== 0,
      // A branch in the loop would make SwiftShader execute both sides; two loops take twice as long to compile.
      SEPARATE_LOOPS: env.compileCost === "low",
      LANES: tile.LANES,
    },
    groups: spread(INPUT_GROUPS + WEIGHT_GROUPS),
  };
}

/** dx and dw as matrix products, db by itself. */
function separate(c: LinearBackwardConstants, env: KernelEnv): KernelPlan {
  const { N, IN, OUT, extra, needsX, needsW, needsB } = c;
  const { variant: _, ...adapter } = env;
  const ending = extra === 0 ? undefined : { name: "extra", kind: extra };
  const plans: KernelPlan[] = [];
  if (needsX) {
    const operands = { a: "dy", b: "w", transposeA: false, transposeB: false, y: "dx" };
    plans.push(productKernels({ M: N, N: IN, K: OUT, ...operands, extra: ending }, adapter));
  }
  if (needsW) {
    const operands = { a: "dy", b: "x", transposeA: true, transposeB: false, y: "dw" };
    plans.push(productKernels({ M: OUT, N: IN, K: N, ...operands }, adapter));
  }
  if (needsB) plans.push({ kernels: [together({ ...c, needsX: false, needsW: false }, adapter)] });
  return {
    kernels: plans.flatMap((plan) => plan.kernels),
    scratch: Object.assign({}, ...plans.map((plan) => plan.scratch ?? {})),
  };
}
