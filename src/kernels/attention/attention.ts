/**
 * Kernels of attention. `quads`, `single` and `tile` take four queries (backward: or four keys) per invocation and 16 keys at a
 * time, which the invocations of a quad exchange, each loads for itself, or a workgroup loads together. `rows`: one query per
 * invocation, where there are few.
 */
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader, type ShaderSource } from "../../graph/shader.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";
import { hasQuads } from "../gemm/tiles.ts";
import { randomFunctions } from "../random/random.ts";

const forward = () => import("../../../shaders/attention/attention.wgsl?raw");
const backward = () => import("../../../shaders/attention/attention-backward.wgsl?raw");
const common = () => import("../../../shaders/attention/attention-fragment.wgsl?raw");
const quadLanes = () => import("../../../shaders/attention/quad-lanes-fragment.wgsl?raw");
const singleLanes = () => import("../../../shaders/attention/single-lanes-fragment.wgsl?raw");
const tileLanes = () => import("../../../shaders/attention/tile-lanes-fragment.wgsl?raw");

// `enable subgroups`, at the top of quad-lanes-fragment.wgsl, must be the first line of a module.
const shadersOf = (name: string, entries: ShaderSource) => {
  const shader = (lanes: ShaderSource) =>
    new Shader(`${name}.wgsl`, lanes, entries, common, specialFunctions, randomFunctions);
  return { quads: shader(quadLanes), single: shader(singleLanes), tile: shader(tileLanes) };
};

const forwardShaders = /* @__PURE__ */ shadersOf("attention", forward);
const backwardShaders = /* @__PURE__ */ shadersOf("attention-backward", backward);

const TILES = ["quads", "single", "tile"] as const;
export const ATTENTION_VARIANTS: readonly string[] = [...TILES, "rows"];
export const ATTENTION_BACKWARD_VARIANTS: readonly string[] = TILES;

export type AttentionConstants = {
  readonly N: number;
  readonly H: number;
  /** Query heads per key head. */
  readonly G: number;
  readonly L: number;
  readonly S: number;
  /** vec4s per row of a head. */
  readonly E4: number;
};

type Tile = (typeof TILES)[number];

/** Rows of 16 keys and 16 values, and 16 numbers. */
const tileSize = (E4: number) => 32 * E4 + 16;

function tileOf({ E4 }: AttentionConstants, env: KernelEnv): Tile {
  const fits = tileSize(E4) * 16 <= env.maxWorkgroupMemory;
  const possible: Readonly<Record<Tile, boolean>> = { quads: hasQuads(env), single: true, tile: fits };
  const forced = TILES.find((name) => name === env.variant);
  if (forced !== undefined && possible[forced]) return forced;
  const usual = env.barrierCost === "high" ? "quads" : "tile";
  return possible[usual] ? usual : "single";
}

/** Invocations of a workgroup, and the constants that say so. */
function lanesOf(tile: Tile, { E4 }: AttentionConstants, env: KernelEnv) {
  const few = env.parallelism === "low" ? 8 : 32;
  const LANES = tile === "quads" ? env.subgroupSize : few;
  return tile === "tile" ? { LANES: 32, TILE: tileSize(E4) } : { LANES };
}

/** (q, k, v, mask, lengths, seeds) -> y, lse. */
export function attentionKernels(c: AttentionConstants, env: KernelEnv): KernelPlan {
  const bind: Kernel["bind"] = ["q", "k", "v", "mask", "lengths", "seeds", "y", "lse"];
  const heads = c.N * c.H;
  if (env.variant === "rows" || (env.variant === undefined && c.L <= 4)) {
    const LANES = env.parallelism === "low" ? 4 : 32;
    const groups = spread(Math.ceil((heads * c.L) / LANES));
    return {
      kernels: [
        { shader: forwardShaders.single, entry: "attentionRows", bind, constants: { LANES }, groups },
      ],
    };
  }
  const tile = tileOf(c, env);
  const constants = lanesOf(tile, c, env);
  const groups = spread(heads * Math.ceil(c.L / (4 * constants.LANES)));
  return { kernels: [{ shader: forwardShaders[tile], entry: "attentionTile", bind, constants, groups }] };
}

/** (qkv, dy, y, lse, mask, lengths, seeds) -> dqkv. */
export function attentionBackwardKernels(c: AttentionConstants, env: KernelEnv): KernelPlan {
  const bind: Kernel["bind"] = ["qkv", "dy", "y", "lse", "mask", "lengths", "seeds", "dqkv"];
  const tile = tileOf(c, env);
  const constants = lanesOf(tile, c, env);
  const blocks = (rows: number) => Math.ceil(rows / (4 * constants.LANES));
  const groups = spread(c.N * (c.H * blocks(c.L) + (c.H / c.G) * blocks(c.S)));
  return {
    kernels: [{ shader: backwardShaders[tile], entry: "attentionBackward", bind, constants, groups }],
  };
}
