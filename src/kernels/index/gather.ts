/** Kernels of gather and of scatter, which adds. */
import { type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { oneDispatch } from "../one-dispatch.ts";

const code = () => import("../../../shaders/index/gather.wgsl?raw");

const shader = new Shader("gather.wgsl", code);

export type GatherConstants = {
  readonly OUTER: number;
  /** Length of the axis that is gathered from or scattered to. */
  readonly V: number;
  readonly INNER: number;
  /** Number of indices along the axis. */
  readonly K: number;
  /** Rows of indices: OUTER * INNER, or 1 that all rows of x share. */
  readonly INDEX_ROWS: number;
  /** No row has an index twice. */
  readonly distinct: boolean;
};

export function gatherKernels({ OUTER, K, INNER }: GatherConstants): KernelPlan {
  return oneDispatch(shader, "gather", [["words", "x"], "index", ["gathered", "y"]], OUTER * K * INNER);
}

/**
 * `rows`: one invocation per row adds its elements one after another. `lists`: indices are linked into one list per sum, then
 * one invocation per sum follows its list. Where no index comes twice, neither is needed.
 */
export function scatterKernels(
  { OUTER, V, INNER, K, INDEX_ROWS, distinct }: GatherConstants,
  env: KernelEnv,
): KernelPlan {
  const groups = (count: number) => spread(Math.ceil(count / 64));
  if (distinct && env.variant === undefined) {
    const all = groups(OUTER * V * INNER);
    return {
      kernels: [
        { shader, entry: "clearSums", bind: ["y"], groups: all },
        { shader, entry: "scatterOnce", bind: ["x", "index", "y"], groups: groups(OUTER * K * INNER) },
      ],
    };
  }
  // Linking costs K² comparisons; going by rows leaves a GPU idle where there are few of them.
  const byRows = env.parallelism === "low" || OUTER * INNER >= 4096 || K > 65536;
  if ((env.variant ?? (byRows ? "rows" : "lists")) === "rows") {
    return oneDispatch(shader, "scatterRows", ["x", "index", "y"], OUTER * INNER);
  }
  const [lists, links] = [INDEX_ROWS * V, INDEX_ROWS * K];
  return {
    scratch: { first: lists, next: links },
    kernels: [
      { shader, entry: "clear", bind: ["first"], groups: groups(lists) },
      { shader, entry: "link", bind: ["index", "first", "next"], groups: groups(links) },
      { shader, entry: "addLists", bind: ["x", "y", "first", "next"], groups: groups(OUTER * V * INNER) },
    ],
  };
}
