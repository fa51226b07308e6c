/**
 * Gradient clipping on packed gradients, on the device: every element by value, then all of them by their common
 * norm (torch.nn.utils.clip_grad_value_ and clip_grad_norm_). NaN passes through, so that it shows.
 */
import { ValueError } from "../errors.ts";
import { globalNorm } from "../ops/norm.ts";
import { definePointwise, literal } from "../ops/pointwise.ts";
import type { Tensor } from "../tensor.ts";

export interface ClipOptions {
  /** Scales all gradients down together where their norm is larger than this. Default: no limit. */
  readonly clipNorm?: number;
  /** Limits every gradient to ±this, before `clipNorm`. Default: no limit. */
  readonly clipValue?: number;
}

const clampOp = definePointwise<{ most: number }>({
  name: "clipValue",
  args: ["g"],
  wgsl: ([g], { most }) =>
    `select(select(${g}, ${literal(most)}, ${g} > ${literal(most)}), ${literal(-most)}, ${g} < ${literal(-most)})`,
  scalar: ([g], { most }) => (g! > most ? most : g! < -most ? -most : g!),
});

/** clip_grad_norm_: g min(1, most / (norm + 1e-6)). */
const scaleOp = definePointwise<{ most: number }>({
  name: "clipNorm",
  args: ["g", "norm"],
  wgsl: ([g, norm], { most }) =>
    `select(${g}, ${g} * (${literal(most)} / (${norm} + 1e-6)), ${norm} + 1e-6 > ${literal(most)})`,
  scalar: ([g, norm], { most }) => (norm! + 1e-6 > most ? g! * (most / (norm! + 1e-6)) : g!),
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
