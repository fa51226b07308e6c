/**
 * The tiles of the GEMM family and the one function that chooses among them. A kernel of the family is a tile, operands and a
 * result, joined from fragments of WGSL; shaders/gemm/gemm-fragment.wgsl is the interface between them.
 */

import type { KernelEnv } from "../../graph/kernel.ts";
import { Shader, type ShaderSource } from "../../graph/shader.ts";

const common = () => import("../../../shaders/gemm/gemm-fragment.wgsl?raw");
const subgroup = () => import("../../../shaders/gemm/subgroup-tile-fragment.wgsl?raw");
const register = () => import("../../../shaders/gemm/register-tile-fragment.wgsl?raw");
const sharedMemory = () => import("../../../shaders/gemm/shared-memory-tile-fragment.wgsl?raw");

export interface Tile {
  readonly source: ShaderSource;
  readonly entry: string;
  /** Of the result, that one workgroup computes. */
  readonly rows: number;
  readonly columns: number;
  /** k steps taken at once. */
  readonly step: number;
  /** Invocations per workgroup. */
  readonly LANES: number;
}

const SHARED: Tile = {
  source: sharedMemory,
  entry: "sharedMemoryTile",
  rows: 64,
  columns: 64,
  step: 16,
  LANES: 64,
};
const SMALL_SHARED: Tile = { ...SHARED, entry: "smallSharedMemoryTile", rows: 32, columns: 32, step: 32 };
const REGISTER: Tile = { source: register, entry: "registerTile", rows: 8, columns: 64, step: 4, LANES: 8 };

/** Names under which tiles can be forced. `subgroup` means the default where the adapter lacks it. */
export const TILE_VARIANTS = ["subgroup", "register", "skinny", "sharedMemory", "smallSharedMemory"];

/** Whether lanes can exchange values within quads: subgroups of one size, a multiple of 4. */
export function hasQuads({ subgroupSize }: KernelEnv): boolean {
  return subgroupSize >= 4 && subgroupSize % 4 === 0;
}

/**
 * The tile for `count` products with results of M x N: the only place where one is chosen. Where barriers are expensive, sums
 * stay in registers. Otherwise workgroup memory serves loads, in large tiles where there are enough of them: fewer leave
 * most of a GPU idle.
 */
export function chooseTile(M: number, N: number, count: number, env: KernelEnv): Tile {
  const { barrierCost, parallelism, subgroupSize, variant = "" } = env;
  const forced = TILE_VARIANTS.includes(variant) ? variant : undefined;
  if (forced === "sharedMemory") return SHARED;
  if (forced === "smallSharedMemory") return SMALL_SHARED;
  if (forced === "skinny" || (forced === undefined && M <= 4)) {
    const LANES = parallelism === "low" ? 8 : 64;
    return { ...REGISTER, entry: "skinnyTile", rows: 4, columns: 4 * LANES, LANES };
  }
  if (forced === "register") return REGISTER;
  if (hasQuads(env) && (forced === "subgroup" || barrierCost === "high")) {
    const LANES = subgroupSize;
    return { source: subgroup, entry: "subgroupTile", rows: 16, columns: 4 * LANES, step: 2, LANES };
  }
  if (barrierCost === "high") return REGISTER;
  return Math.ceil(M / 64) * Math.ceil(N / 64) * count < 128 ? SMALL_SHARED : SHARED;
}

/** Tiles along rows and along columns of a result of M x N. */
export function tilesOf(M: number, N: number, { rows, columns }: Tile): readonly [number, number] {
  return [Math.ceil(M / rows), Math.ceil(N / columns)];
}

/** K in about `wanted` parts, each a whole number of steps of every tile. */
export function cutSum(K: number, wanted: number): { readonly parts: number; readonly CHUNK: number } {
  const CHUNK = Math.ceil(K / Math.max(1, wanted) / 32) * 32;
  return { parts: Math.ceil(K / CHUNK), CHUNK };
}

/** The modules that `parts`, operands and a result, make with each tile. `name` is shown in errors. */
// @__NO_SIDE_EFFECTS__
export function gemmShader(name: string, ...parts: readonly ShaderSource[]): (tile: Tile) => Shader {
  const made = new Map<ShaderSource, Shader>();
  return ({ source }) => {
    const known = made.get(source) ?? new Shader(name, source, common, ...parts);
    made.set(source, known);
    return known;
  };
}
