/** A tensor repeated: tile, which PyTorch also calls repeat. float32. */
import { expectArray, expectTensor, expectWhole } from "../../graph/op.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { expand } from "../reduce/sum.ts";
import { reshape } from "./reshape.ts";

/** `x` repeated `times[axis]` times along each axis; axes and counts missing in front are 1. Throws ShapeError. */
export function tile(x: Tensor, times: readonly number[]): Tensor {
  expectTensor("tile", "x", x);
  expectArray("tile", "times", times);
  for (const count of times) expectWhole("tile", "times", count, 1);
  const rank = Math.max(x.rank, times.length);
  const sizes = [...Array.from({ length: rank - x.rank }, () => 1), ...x.shape];
  const counts = [...Array.from({ length: rank - times.length }, () => 1), ...times];
  // Every repeated axis gets an axis of 1 in front of it, which stretches.
  const pairs = sizes.map((size, axis) => (counts[axis] === 1 ? [size] : [counts[axis]!, size]));
  const stretched = expand(
    reshape(
      x,
      pairs.flatMap((p) => (p.length === 1 ? p : [1, p[1]!])),
    ),
    pairs.flat(),
  );
  return reshape(
    stretched,
    sizes.map((size, axis) => size * counts[axis]!),
  );
}

export { tile as repeat };
