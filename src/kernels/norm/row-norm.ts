/** Kernels of normalisations of rows and of their gradients. A row is read in units: four values where its length allows, else one. */

import { type Kernel, type KernelEnv, type KernelPlan, spread } from "../../graph/kernel.ts";
import { Shader } from "../../graph/shader.ts";
import { specialFunctions } from "../elementwise/wgsl-functions.ts";

const forward = () => import("../../../shaders/norm/row-norm.wgsl?raw");
const backward = () => import("../../../shaders/norm/row-norm-backward.wgsl?raw");
const rowPerInvocation = () => import("../../../shaders/norm/row-per-invocation-fragment.wgsl?raw");
const rowPerWorkgroup = () => import("../../../shaders/norm/row-per-workgroup-fragment.wgsl?raw");

const UNIT = {
  1: "alias Unit = f32;\nfn total(u: Unit) -> f32 { return u; }\nfn firstOf(u: Unit) -> f32 { return u; }\n",
  4: "alias Unit = vec4<f32>;\nfn total(u: Unit) -> f32 { return (u.x + u.y) + (u.z + u.w); }\nfn firstOf(u: Unit) -> f32 { return u.x; }\n",
};

const shaderOf = (shared: boolean, unit: 1 | 4) => {
  const sources = [UNIT[unit], shared ? rowPerWorkgroup : rowPerInvocation, specialFunctions] as const;
  return {
    forward: new Shader("row-norm.wgsl", forward, ...sources),
    backward: new Shader("row-norm-backward.wgsl", backward, ...sources),
  };
};

const shaders = /* @__PURE__ */ new Map(
  [false, true].flatMap((shared) =>
    ([1, 4] as const).map((unit) => [`${shared} ${unit}`, shaderOf(shared, unit)]),
  ),
);

export type RowNormConstants = {
  /** Number of rows and of values in a row. */
  readonly ROWS: number;
  readonly D: number;
};

/** `rows`: one invocation per row. `shared`: one workgroup per row. */
export const ROW_NORM_VARIANTS = ["rows", "shared"];

/**
 * The same for dx; the gradients of weight and bias in the same dispatch. `parts`: as `shared`, but these gradients are added up
 * over parts of the rows and then in a second dispatch.
 */
export const ROW_NORM_BACKWARD_VARIANTS = ["rows", "shared", "parts"];

function layout({ ROWS, D }: RowNormConstants, env: KernelEnv, variant: string | undefined) {
  const unit = D % 4 === 0 ? 4 : 1;
  const SIZE = D / unit;
  const fewCores = env.parallelism === "low";
  const shared = (variant ?? (fewCores && ROWS >= 8 ? "rows" : "shared")) !== "rows";
  let LANES = env.barrierCost === "high" ? 8 : 32;
  if (shared && env.barrierCost === "low")
    while (LANES * 2 <= SIZE && LANES * 2 <= Math.min(256, env.maxWorkgroupSize)) LANES *= 2;
  const rowGroups = shared ? ROWS : Math.ceil(ROWS / LANES);
  return { ...shaders.get(`${shared} ${unit}`)!, rowGroups, constants: { SIZE, COUNT: D, LANES } };
}

export function rowNormKernels(
  c: RowNormConstants & { readonly ADDED: boolean },
  env: KernelEnv,
): KernelPlan {
  const { forward: shader, rowGroups, constants } = layout(c, env, env.variant);
  const bind = ["x", "w", "b", "r", "y", "stats", "sum"];
  return { kernels: [{ shader, entry: "forward", bind, constants, groups: spread(rowGroups) }] };
}

export type RowNormBackwardConstants = RowNormConstants & {
  readonly needsX: boolean;
  readonly needsW: boolean;
  readonly needsB: boolean;
};

/** Rows that one invocation of a GPU adds up for the gradients of weight and bias. */
const PART_ROWS = 64;

export function rowNormBackwardKernels(c: RowNormBackwardConstants, env: KernelEnv): KernelPlan {
  const isLong = env.parallelism === "high" && c.ROWS > PART_ROWS;
  const variant = env.variant ?? (isLong ? "parts" : undefined);
  const { backward: shader, rowGroups, constants } = layout(c, env, variant);
  const needsColumns = c.needsW || c.needsB;
  const PARTS = variant === "parts" && needsColumns ? Math.min(256, Math.ceil(c.ROWS / PART_ROWS)) : 1;
  const columnGroups = needsColumns ? PARTS * Math.ceil(constants.SIZE / constants.LANES) : 0;
  const all = {
    ...constants,
    PARTS,
    PART_ROWS: Math.ceil(c.ROWS / PARTS),
    COLUMN_GROUPS: columnGroups,
  };
  const given = ["dy", "x", "stats", "w", "other", "dx"];
  const groups = spread(columnGroups + (c.needsX ? rowGroups : 0));
  const kernel = (entry: string, bind: Kernel["bind"], count = groups): Kernel => ({
    shader,
    entry,
    bind,
    constants: all,
    groups: count,
  });
  if (PARTS === 1) return { kernels: [kernel("backward", [...given, "dw", "db"])] };
  return {
    scratch: { partial: 2 * PARTS * c.D },
    kernels: [
      kernel("backwardParts", [...given, "partial"]),
      kernel("reduceParts", [["partials", "partial"], "dw", "db"], spread(Math.ceil(constants.SIZE / 64))),
    ],
  };
}
