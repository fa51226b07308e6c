/** Softmax on the host, for outputs that were read from a device. */

/**
 * Softmax over the middle axis of `logits` [rows, classes, inner], `inner` default 1. A row with NaN or +Infinity becomes NaN,
 * as in PyTorch.
 */
export function shares(logits: ArrayLike<number>, classes: number, inner = 1): Float64Array {
  const result = Float64Array.from(logits);
  const block = classes * inner;
  for (let first = 0; first < result.length; first += block) {
    for (let column = first; column < first + inner; column++) {
      let most = Number.NEGATIVE_INFINITY;
      for (let i = column; i < first + block; i += inner) most = Math.max(most, result[i] as number);
      let total = 0;
      for (let i = column; i < first + block; i += inner) {
        result[i] = Math.exp((result[i] as number) - most);
        total += result[i] as number;
      }
      for (let i = column; i < first + block; i += inner) result[i] = (result[i] as number) / total;
    }
  }
  return result;
}
