/** Values that Python and TypeScript compute alike, in place of stored weights and batches: test/fixtures/torch/pattern.py. */
import type { Tensor } from "../../src/graph/tensor.ts";

/** Element i of `pattern(…, k)` in float64: uniform in [-1, 1), the finaliser of MurmurHash3 over i and k. */
export function patternAt(i: number, k: number): number {
  let x = (i + Math.imul(k, 0x9e3779b9) + 1) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1;
}

export function pattern(count: number, k: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => patternAt(i, k));
}

/** Parameter k of a model: matrices and filters are scaled by √(3 / fan-in), the others by 0.1, around 1 for norms. */
export function patternWeights(parameters: ReadonlyMap<string, Tensor>): Map<string, Float32Array> {
  return new Map(
    [...parameters].map(([name, { size, shape, rank }], k) => {
      const fanIn = shape.slice(1).reduce((product, extent) => product * extent, 1);
      const scale = rank > 1 ? Math.sqrt(3 / fanIn) : 0.1;
      const offset = rank === 1 && name.endsWith("weight") ? 1 : 0;
      return [name, pattern(size, k).map((v) => v * scale + offset)];
    }),
  );
}
