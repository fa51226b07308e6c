/**
 * Gradient clipping on packed gradients, on the device: every element by value, then all of them by their common
 * norm (torch.nn.utils.clip_grad_value_ and clip_grad_norm_). By value NaN stays where it is; by norm one NaN makes all NaN,
 * and one infinity that and the rest 0, so that they show.
 */
import { ValueError } from "../common/errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { specialFunctions } from "../kernels/elementwise/functions.ts";
import { literal } from "../kernels/elementwise/group.ts";
import { definePointwise } from "../ops/elementwise/pointwise.ts";
import { globalNorm } from "../ops/reduce/norm.ts";

export interface ClipOptions {
  /** Scales all gradients down together where their norm is larger than this. Default: no limit. */
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

/** `g`, a pack of all gradients, clipped as `options` ask. */
export function clip(g: Tensor, options: ClipOptions): Tensor {
  const { clipNorm, clipValue } = options;
  let clipped = g;
  if (clipValue !== undefined) clipped = clampOp.one([clipped], { most: clipValue });
  if (clipNorm !== undefined) clipped = scaleOp.one([clipped, globalNorm(clipped)], { most: clipNorm });
  return clipped;
}

/** Refuses limits that are not above 0. */
export function checkClip(who: string, options: ClipOptions): void {
  for (const name of ["clipNorm", "clipValue"] as const) {
    const limit = options[name];
    if (limit !== undefined && !(limit > 0 && Number.isFinite(limit))) {
      throw new ValueError(`${who}: ${name} must be a number above 0, got ${limit}`);
    }
  }
}
