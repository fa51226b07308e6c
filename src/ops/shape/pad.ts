/** Padding, torch.nn.functional.pad: constant padding of any dtype, the other modes f32. */

import { expectTensor, expectWhole, shapeError } from "../../graph/op.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { ValueError } from "../../validation/errors.ts";
import { checkOptions, type OptionKinds, shown } from "../../validation/options.ts";
import { take } from "../index/gather.ts";
import { embed } from "./slice.ts";

export interface PadOptions {
  /** What the padding holds: `value` (default), the mirror image without the edge, or the edge. */
  readonly mode?: "constant" | "reflect" | "replicate";
  /** Default 0. */
  readonly value?: number;
}

export const PAD = { mode: "any", value: "number" } as const satisfies OptionKinds<PadOptions>;

/**
 * `x` with elements added at the ends: `padding` holds [before, after] of the last axis, then of the one before it, and so on, as in
 * PyTorch. Throws ShapeError on reflection further than the axis is long, ValueError on an unknown mode.
 */
export function pad(x: Tensor, padding: readonly number[], options: PadOptions = {}): Tensor {
  expectTensor("pad", "x", x);
  const { mode = "constant", value = 0 } = checkOptions("pad", options, PAD);
  if (!Array.isArray(padding)) {
    throw new ValueError(`pad: padding must be an array of [before, after] pairs, got ${shown(padding)}`);
  }
  if (padding.length % 2 === 1 || padding.length > 2 * x.rank) {
    throw shapeError("pad", "needs pairs of [before, after], at most one per axis", [x]);
  }
  for (const size of padding) expectWhole("pad", "padding", size, 0);
  const before = x.shape.map((_, axis) => padding[2 * (x.rank - 1 - axis)] ?? 0);
  const after = x.shape.map((_, axis) => padding[2 * (x.rank - 1 - axis) + 1] ?? 0);
  if (mode === "constant") return embed(x, before, after, value);
  if (mode !== "reflect" && mode !== "replicate") {
    throw new ValueError(`pad: mode must be constant, reflect or replicate, got ${String(mode)}`);
  }
  return x.shape.reduce((padded, size, axis) => {
    const [first, last] = [before[axis]!, after[axis]!];
    if (first === 0 && last === 0) return padded;
    if (mode === "reflect" && Math.max(first, last) >= size) {
      throw shapeError("pad", `can reflect at most ${size - 1} elements of axis ${axis}`, [x]);
    }
    const sources = Int32Array.from({ length: first + size + last }, (_, i) => {
      const at = i - first;
      if (mode === "replicate") return Math.min(Math.max(at, 0), size - 1);
      return at < 0 ? -at : at < size ? at : 2 * (size - 1) - at;
    });
    return take(padded, constant(sources), axis);
  }, x);
}
