/**
 * The kernels of a linear layer's gradients: one dispatch for all three, or products of their own where those are large
 * or a long batch is to be split.
 */
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { ACTIVATION } from "../activation-codes.ts";
import { specialFunctions } from "../special-functions.ts";
import { hasQuads, productKernels, slowToCompile } from "./matmul.ts";

const plain = () => import("../../../shaders/gemm/linear.wgsl?raw");
const blocks = () => import("../../../shaders/gemm/linear-blocks.wgsl?raw");
const quad = () => import("../../../shaders/gemm/linear-quad.wgsl?raw");
const swaps = () => import("../../../shaders/gemm/quad-functions.wgsl?raw");

const plainShader = new Shader("linear.wgsl", plain, blocks, specialFunctions);
const quadShader = new Shader("linear-quad.wgsl", quad, swaps, blocks, specialFunctions);

export const LINEAR_BACKWARD_VARIANTS = ["quad", "registers", "slabs", "products"];

/** Constants of linearBackward. */
export type LinearBackwardConstants = {
  readonly N: number;
  readonly IN: number;
  readonly OUT: number;
  readonly activation: number;
  readonly needsX: boolean;
  readonly needsW: boolean;
  readonly needsB: boolean;
};

export function linearBackwardKernels(c: LinearBackwardConstants, env: KernelEnv): KernelPlan {
  const { variant = chosen(c, env) } = env;
  return variant === "products" ? products(c, env) : single(c, variant, env);
}

function chosen({ N, IN, OUT, needsX, needsW }: LinearBackwardConstants, env: KernelEnv): string {
  const tiles = (rows: number) => Math.ceil(rows / 64) * Math.ceil(IN / 64);
  // A sum over a batch this long wants splitting if dw has few tiles.
  const long = needsW && N >= 2048 && tiles(OUT) < 32;
  if (env.barrierCost === "high") return long ? "products" : hasQuads(env) ? "quad" : "registers";
  // Large gradients fill a chip each and gain more from large tiles than from sharing a dispatch.
  const large = (needsX ? tiles(N) : 0) + (needsW ? tiles(OUT) : 0) >= 256;
  return long || large ? "products" : "slabs";
}

/** All three in one dispatch. */
function single(c: LinearBackwardConstants, variant: string, env: KernelEnv): KernelPlan {
  const { N, IN, OUT, activation, needsX, needsW, needsB } = c;
  const family =
    variant === "slabs"
      ? { shader: plainShader, entry: "slabs", rows: 32, columns: 32, LANES: 8 }
      : variant === "quad" && hasQuads(env) && (needsW || !needsB)
        ? {
            shader: quadShader,
            entry: "quad",
            rows: 16,
            columns: 4 * env.subgroupSize,
            LANES: env.subgroupSize,
          }
        : { shader: plainShader, entry: "registers", rows: 8, columns: 64, LANES: 8 };
  const TILES = Math.ceil(IN / family.columns);
  const INPUT_GROUPS = needsX ? TILES * Math.ceil(N / family.rows) : 0;
  const WEIGHT_GROUPS = needsW ? TILES * Math.ceil(OUT / family.rows) : 0;
  // A quad's tiles of dw have db too.
  const biasGroups = needsB && family.entry !== "quad" ? Math.ceil(OUT / (4 * family.LANES)) : 0;
  // A kernel must bind what it may read; x stands in where there is no mask.
  const mask = activation === ACTIVATION.none ? "x" : "mask";
  const quads = family.entry === "quad";
  const vector = quads && IN % 4 === 0;
  const kernel: Kernel = {
    shader: family.shader,
    entry: vector ? "quadVector" : family.entry,
    bind: [
      "x",
      "w",
      quads ? ["dy2", "dy"] : "dy",
      [vector ? "mask4" : "mask", mask],
      vector ? ["dx4", "dx"] : "dx",
      vector ? ["dw4", "dw"] : "dw",
      "db",
    ],
    constants: {
      INPUT_GROUPS,
      WEIGHT_GROUPS,
      TILES,
      BIAS: needsB,
      IN_VECTOR: IN % 4 === 0,
      OUT_VECTOR: !quads && OUT % 4 === 0,
      PAIRS: OUT % 2 === 0,
      ODD: N % 2 !== 0 || OUT % 2 !== 0,
      SHARED: slowToCompile(env),
      LANES: family.LANES,
    },
    groups: spread(INPUT_GROUPS + WEIGHT_GROUPS + biasGroups),
  };
  return { kernels: [kernel] };
}

/** dx and dw as matrix products, db by itself. */
function products(c: LinearBackwardConstants, env: KernelEnv): KernelPlan {
  const { N, IN, OUT, activation, needsX, needsW, needsB } = c;
  const { variant: _, ...chooser } = env;
  const mask = activation === ACTIVATION.none ? undefined : "mask";
  const plans: KernelPlan[] = [];
  if (needsX) {
    const operands = { a: "dy", b: "w", transposeA: false, transposeB: false, y: "dx" };
    plans.push(productKernels({ M: N, N: IN, K: OUT, ...operands, mask, masked: activation }, chooser));
  }
  if (needsW) {
    const operands = { a: "dy", b: "x", transposeA: true, transposeB: false, y: "dw" };
    plans.push(productKernels({ M: OUT, N: IN, K: N, ...operands }, chooser));
  }
  if (needsB) plans.push(single({ ...c, needsX: false, needsW: false }, "slabs", chooser));
  return {
    kernels: plans.flatMap((plan) => plan.kernels),
    scratch: Object.assign({}, ...plans.map((plan) => plan.scratch ?? {})),
  };
}
