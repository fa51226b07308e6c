/**
 * Kernels of max and average pooling. `windows` and `gather` do any windows. `2x2`: kernels of their own for the common case, windows
 * of 2 x 2 that tile planes whose rows are whole vec4s: two windows per invocation.
 */
import { type PoolConstants, spanOf, windowsInside } from "../../geometry/pool.ts";
import type { KernelEnv, KernelPlan } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";
import { oneDispatch } from "../one-dispatch.ts";

const code = () => import("../../../shaders/pool/pool.wgsl?raw");

const shader = new Shader("pool.wgsl", code, specialFunctions);

export const POOL_VARIANTS = ["2x2", "windows"];
export const MAX_BACKWARD_VARIANTS = ["2x2", "cells", "gather"];
export const AVG_BACKWARD_VARIANTS = ["2x2", "gather"];

const windowCount = ({ N, C, OH, OW }: PoolConstants) => N * C * OH * OW;
const pixelCount = ({ N, C, H, W }: PoolConstants) => N * C * H * W;

export function maxForwardKernels(g: PoolConstants, env: KernelEnv): KernelPlan {
  if (env.variant !== "windows" && is2x2(g, 4)) {
    const bind = [["x4", "x"] as const, ["y2", "y"] as const, ["indices2", "indices"] as const];
    return oneDispatch(shader, "maxForward2x2", bind, windowCount(g) / 2);
  }
  const constants = { inside: windowsInside(g) };
  return oneDispatch(shader, "maxForward", ["x", "y", "indices"], windowCount(g), constants);
}

export function maxBackwardKernels(g: PoolConstants, env: KernelEnv): KernelPlan {
  const winners = ["winners", "indices"] as const;
  if ((env.variant ?? "2x2") === "2x2" && is2x2(g, 2)) {
    return oneDispatch(shader, "maxBackward2x2", ["dy", winners, ["dx2", "dx"]], windowCount(g));
  }
  const bind = ["dy", winners, "dx"];
  const overlap = g.strideY < spanOf(g.KH, g.dilationY) || g.strideX < spanOf(g.KW, g.dilationX);
  if (overlap || env.variant === "gather") return oneDispatch(shader, "maxBackward", bind, pixelCount(g));
  const CH = Math.ceil((g.H + g.padTop) / g.strideY);
  const CW = Math.ceil((g.W + g.padLeft) / g.strideX);
  return oneDispatch(shader, "maxBackwardCells", bind, g.N * g.C * CH * CW, { CH, CW });
}

export function maxPickKernels(g: PoolConstants): KernelPlan {
  return oneDispatch(shader, "maxPick", ["x", ["winners", "indices"], "y"], windowCount(g));
}

export function avgForwardKernels(g: PoolConstants, env: KernelEnv): KernelPlan {
  if (env.variant !== "windows" && is2x2(g, 4)) {
    return oneDispatch(
      shader,
      "avgForward2x2",
      [
        ["x4", "x"],
        ["y2", "y"],
      ],
      windowCount(g) / 2,
    );
  }
  return oneDispatch(shader, "avgForward", ["x", "y"], windowCount(g), { inside: windowsInside(g) });
}

export function avgBackwardKernels(g: PoolConstants, env: KernelEnv): KernelPlan {
  if (env.variant !== "gather" && is2x2(g, 4)) {
    return oneDispatch(
      shader,
      "avgBackward2x2",
      [
        ["dy2", "dy"],
        ["dx4", "dx"],
      ],
      windowCount(g) / 2,
    );
  }
  return oneDispatch(shader, "avgBackward", ["dy", "dx"], pixelCount(g), { inside: windowsInside(g) });
}

/** Windows of 2 x 2 that tile planes of even height, whose rows are vectors of `width`. */
function is2x2(g: PoolConstants, width: 2 | 4): boolean {
  const two = [g.KH, g.KW, g.strideY, g.strideX].every((n) => n === 2);
  const dense = g.dilationY * g.dilationX === 1 && windowsInside(g);
  return two && dense && g.H % 2 === 0 && g.W % width === 0;
}
