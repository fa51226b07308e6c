/** Whether what a kernel computes is what another one computes, but for the rounding of sums in another order. */
import { type Data, formatShape } from "../graph/spec.ts";
import type { Tensor } from "../graph/tensor.ts";

/** Rounding may cost this share of a value, and of the largest value of its tensor. */
const TOLERANCE = 1e-4;
/** Whole numbers that follow from a comparison of floats may fall otherwise, this share of them. */
const FLIPPED = 1e-3;

/** The first tensor whose values differ, in words; undefined if all agree. */
export function describeDifference(
  tensors: readonly Tensor[],
  actual: readonly Data[],
  expected: readonly Data[],
): string | undefined {
  for (const [i, tensor] of tensors.entries()) {
    const wrong = differing(actual[i] as Data, expected[i] as Data);
    const allowed = tensor.dtype === "f32" ? 0 : Math.floor(FLIPPED * tensor.size);
    if (wrong.length > allowed) {
      const at = wrong[0] as number;
      return (
        `computes ${wrong.length} of ${tensor.size} values of ${formatShape(tensor.shape)} otherwise: ` +
        `${actual[i]![at]} in place of ${expected[i]![at]}`
      );
    }
  }
  return undefined;
}

function differing(actual: Data, expected: Data): number[] {
  let scale = 0;
  for (const value of expected) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  const wrong: number[] = [];
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (Object.is(a, e) || a === e) continue;
    const floats = expected instanceof Float32Array;
    if (!floats || !(Math.abs(a - e) <= TOLERANCE * (scale + Math.abs(e)))) wrong.push(i);
  }
  return wrong;
}
