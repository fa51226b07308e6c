/**
 * Kernels of ops along one axis: argmax, sort, cumsum, softmax, logSoftmax and their gradients. Variants: `rows`, one invocation per row;
 * `vectors`, the same with four elements at a time; `shared`, one workgroup per row.
 */
import type { AxisGeometry } from "../../geometry/axis.ts";
import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import type { DType } from "../../graph/spec.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";
import { oneDispatch } from "../one-dispatch.ts";

const rows = () => import("../../../shaders/reduce/axis-functions.wgsl?raw");
const argmax = () => import("../../../shaders/reduce/argmax.wgsl?raw");
const orderKey = () => import("../../../shaders/reduce/order-key-functions.wgsl?raw");
const sort = () => import("../../../shaders/reduce/sort.wgsl?raw");
const cumsum = () => import("../../../shaders/reduce/cumsum.wgsl?raw");
const softmax = () => import("../../../shaders/reduce/softmax.wgsl?raw");

const argmaxShader = /* @__PURE__ */ new Shader("argmax.wgsl", argmax, rows, orderKey);
const sortShader = /* @__PURE__ */ new Shader("sort.wgsl", sort, rows, orderKey);
const cumsumShader = /* @__PURE__ */ new Shader("cumsum.wgsl", cumsum, rows);
const softmaxShader = /* @__PURE__ */ new Shader("softmax.wgsl", softmax, rows, specialFunctions);

const rowCount = ({ OUTER, INNER }: AxisGeometry) => OUTER * INNER;

/** Whether a workgroup per row is worth its barriers: for long rows, or where a GPU can then read contiguous memory. */
function shares({ SIZE, INNER }: AxisGeometry, env: KernelEnv): boolean {
  return SIZE >= 1024 || (env.barrierCost === "low" && INNER === 1 && SIZE >= 64);
}

/** Invocations of a workgroup that shares a row. */
function lanesFor({ SIZE }: AxisGeometry, env: KernelEnv): number {
  if (env.barrierCost === "high") return 16;
  return SIZE < 2048 ? 64 : 256;
}

/** What order-key-functions.wgsl knows dtypes by. */
export const dtypeCode = (dtype: DType): number => ["f32", "i32", "u32"].indexOf(dtype);

/** Elements that one invocation is compared with at first; longer rows take a dispatch more each time they double. */
const BLOCK = 128;

/** (x) -> y, the indices of the first COUNT elements of each row in order. */
export function sortKernels(g: AxisGeometry): KernelPlan {
  const merges = Math.max(0, Math.ceil(Math.log2(g.SIZE / BLOCK)));
  const groups = spread(Math.ceil((rowCount(g) * g.SIZE) / 64));
  const kernel = (entry: string, pass: number): Kernel => {
    const LAST = pass === merges;
    const merged = LAST ? "y" : `runs${pass % 2}`;
    const runs: Kernel["bind"] = pass === 0 ? [] : [["runs", `runs${(pass - 1) % 2}`]];
    const constants = { BLOCK, LAST, RUN: (BLOCK / 2) * 2 ** pass };
    return { shader: sortShader, entry, bind: ["x", ...runs, ["merged", merged]], constants, groups };
  };
  const words = rowCount(g) * g.SIZE;
  const scratch = Object.fromEntries(["runs0", "runs1"].slice(0, merges).map((name) => [name, words]));
  const passes = Array.from({ length: merges }, (_, i) => kernel("mergeRuns", i + 1));
  return { scratch, kernels: [kernel("sortBlocks", 0), ...passes] };
}

export function argmaxKernels(g: AxisGeometry, env: KernelEnv): KernelPlan {
  const variant = env.variant ?? (shares(g, env) ? "shared" : "rows");
  if (variant === "rows") return oneDispatch(argmaxShader, "rows", ["x", "y"], rowCount(g));
  return sharedRows(argmaxShader, "sharedRows", ["x", "y"], g, { LANES: lanesFor(g, env) });
}

export function cumsumKernels(g: AxisGeometry, env: KernelEnv): KernelPlan {
  const long = g.SIZE >= 256 && rowCount(g) < 4096;
  const variant = env.variant ?? (long ? "shared" : "rows");
  if (variant === "rows") return oneDispatch(cumsumShader, "rows", ["x", "y"], rowCount(g));
  const LANES = env.barrierCost === "high" ? 16 : 64;
  return sharedRows(cumsumShader, "sharedRows", ["x", "y"], g, { LANES, CHUNK: Math.ceil(g.SIZE / LANES) });
}

/** (x) -> y. */
export function softmaxKernels(g: AxisGeometry, env: KernelEnv): KernelPlan {
  return softmaxPlan("forward", ["x", "y"], g, env);
}

/** (dy, y) -> dx. */
export function softmaxBackwardKernels(g: AxisGeometry, env: KernelEnv): KernelPlan {
  return softmaxPlan("backward", ["dy", ["out", "y"], "dx"], g, env);
}

export const SOFTMAX_VARIANTS = ["rows", "vectors", "shared"];

function softmaxPlan(entry: string, bind: Kernel["bind"], g: AxisGeometry, env: KernelEnv): KernelPlan {
  const variant = env.variant ?? (shares(g, env) ? "shared" : "vectors");
  if (variant === "shared") {
    return sharedRows(softmaxShader, `${entry}Shared`, bind, g, { LANES: lanesFor(g, env) });
  }
  if (variant !== "vectors" || g.INNER > 1 || g.SIZE % 4 !== 0) {
    return oneDispatch(softmaxShader, `${entry}Rows`, bind, rowCount(g));
  }
  const LANES = env.parallelism === "low" ? 16 : 64;
  const vectors = bind.map(
    (b) => (typeof b === "string" ? [`${b}4`, b] : [`${b[0]}4`, b[1]]) as [string, string],
  );
  const groups = spread(Math.ceil(rowCount(g) / LANES));
  return {
    kernels: [
      { shader: softmaxShader, entry: `${entry}Vectors`, bind: vectors, constants: { LANES }, groups },
    ],
  };
}

/** One workgroup per row. */
function sharedRows(
  shader: Shader,
  entry: string,
  bind: Kernel["bind"],
  g: AxisGeometry,
  constants: NonNullable<Kernel["constants"]>,
): KernelPlan {
  return { kernels: [{ shader, entry, bind, constants, groups: spread(rowCount(g)) }] };
}
