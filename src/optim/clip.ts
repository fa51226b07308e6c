/**
 * Clipping of gradients on the device: each element by value, then all of them by their common norm
 * (torch.nn.utils.clip_grad_value_ and clip_grad_norm_). Clipping by value keeps NaN. Clipping by norm turns all gradients
 * into NaN if one is NaN; if one is infinite it becomes NaN and the others 0.
 */

import { expectArray, expectTensor } from "../graph/op.ts";
import type { Tensor } from "../graph/tensor.ts";
import { literal } from "../kernels/elementwise/group.ts";
import { specialFunctions } from "../kernels/elementwise/wgsl-functions.ts";
import { definePointwise } from "../ops/elementwise/pointwise.ts";
import { globalNorm } from "../ops/reduce/norm.ts";
import { pack } from "../ops/shape/pack.ts";
import { ValueError } from "../validation/errors.ts";
import { shown } from "../validation/options.ts";

export interface ClipOptions {
  /** If the norm of all gradients is larger than this, they are scaled down to it. Default: no limit. */
  readonly clipNorm?: number;
  /** Limits every gradient to ±this, before `clipNorm`. Default: no limit. */
  readonly clipValue?: number;
}

const clampOp = definePointwise<{ most: number }>({
  name: "clipValue",
  args: ["g"],
  functions: [specialFunctions],
  wgsl: ([g], { most }) => `smaller(larger(${g}, ${literal(-most)}), ${literal(most)})`,
  scalar: ([g], { most }) => Math.min(Math.max(g!, -most), most),
});

/** clip_grad_norm_: g min(1, most / (norm + 1e-6)). */
const scaleOp = definePointwise<{ most: number }>({
  name: "clipNorm",
  args: ["g", "norm"],
  functions: [specialFunctions],
  wgsl: ([g, norm], { most }) => `${g} * smaller(${literal(most)} / (${norm} + 1e-6), 1.0)`,
  scalar: ([g, norm], { most }) => g! * Math.min(most / (norm! + 1e-6), 1),
});

/**
 * Gradients scaled down together where the Euclidean norm of all of them is above `maxNorm`: clip_grad_norm_, for loops without a
 * trainer. Entries that are undefined stay so. Throws ValueError on a limit that is not above 0, or no gradient.
 */
export function clipByGlobalNorm<G extends Tensor | undefined>(
  gradients: readonly G[],
  maxNorm: number,
): G[] {
  const given = listed("clipByGlobalNorm", "maxNorm", gradients, maxNorm);
  const norm = globalNorm(pack(given));
  return gradients.map((g) => g && scaleOp.one([g, norm], { most: maxNorm })) as G[];
}

/** Every gradient limited to ±`limit`: clip_grad_value_. Undefined entries stay so. Throws as `clipByGlobalNorm`. */
export function clipByValue<G extends Tensor | undefined>(gradients: readonly G[], limit: number): G[] {
  listed("clipByValue", "limit", gradients, limit);
  return gradients.map((g) => g && clampOp.one([g], { most: limit })) as G[];
}

function listed(who: string, name: string, gradients: readonly unknown[], limit: number): Tensor[] {
  expectArray(who, "gradients", gradients);
  checkLimit(who, name, limit);
  const given = gradients.filter((g) => g !== undefined);
  for (const g of given) expectTensor(who, "every gradient", g);
  if (given.length === 0) throw new ValueError(`${who}: needs at least one gradient`);
  return given as Tensor[];
}

/** `g`, all gradients in one tensor, clipped by value and norm as `options` say. */
export function clip(g: Tensor, options: ClipOptions): Tensor {
  const { clipNorm, clipValue } = options;
  let clipped = g;
  if (clipValue !== undefined) clipped = clampOp.one([clipped], { most: clipValue });
  if (clipNorm !== undefined) clipped = scaleOp.one([clipped, globalNorm(clipped)], { most: clipNorm });
  return clipped;
}

/** Throws ValueError on limits that are not above 0. */
export function checkClip(who: string, options: ClipOptions): void {
  for (const name of ["clipNorm", "clipValue"] as const) {
    const limit = options[name];
    if (limit !== undefined) checkLimit(who, name, limit);
  }
}

function checkLimit(who: string, name: string, limit: unknown): void {
  if (typeof limit === "number" && limit > 0 && Number.isFinite(limit)) return;
  throw new ValueError(`${who}: ${name} must be a number above 0, got ${shown(limit)}`);
}
