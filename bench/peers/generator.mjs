// The numbers of the problems that have no fixtures: one generator for all libraries, which torch_sequences.py repeats.

/** A generator of numbers in [0, 1), always the same ones. */
export function generator() {
  let seed = 1;
  const uniform = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  return {
    /** Floats around `centre`, at most `bound` from it. */
    floats: (shape, bound, centre = 0) =>
      Float32Array.from(
        { length: shape.reduce((a, b) => a * b) },
        () => (2 * uniform() - 1) * bound + centre,
      ),
    /** `count` whole numbers below `limit`. */
    integers: (count, limit) => Int32Array.from({ length: count }, () => Math.floor(uniform() * limit)),
  };
}
