/** The kernels that gather rows of a column of a data set. */
import type { KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { oneDispatch } from "../one-dispatch.ts";

const code = () => import("../../../shaders/data/gather-rows.wgsl?raw");
const shader = new Shader("gather-rows.wgsl", code);

/** Words are copied bit for bit; only scaled numbers are computed with. */
export function gatherRowsKernels(c: {
  readonly B: number;
  readonly SIZE: number;
  readonly SCALED: boolean;
}): KernelPlan {
  const y = c.SCALED ? (["numbers", "y"] as const) : "y";
  return oneDispatch(shader, c.SCALED ? "scaled" : "words", ["data", "rows", y], c.B * c.SIZE);
}
