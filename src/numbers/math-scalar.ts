/** Functions of numbers that JavaScript lacks, in double precision: the reference that kernels are checked against. */

/** 2/√π ∫₀ˣ exp(-t²) dt. */
export function erfOf(x: number): number {
  const a = Math.abs(x);
  if (!(a < 6)) return Number.isNaN(x) ? x : Math.sign(x);
  const s = a * a;
  if (a < 2.5) {
    // exp(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (2n+1)!!: all terms positive, so nothing cancels.
    let term = a;
    let total = a;
    for (let n = 1; term > total * 1e-17; n++) {
      term *= (2 * s) / (2 * n + 1);
      total += term;
    }
    return Math.sign(x) * ((2 / Math.sqrt(Math.PI)) * Math.exp(-s) * total);
  }
  // Continued fraction of erfc, from the far end.
  let fraction = a;
  for (let n = 60; n > 0; n--) fraction = a + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-s) / (Math.sqrt(Math.PI) * fraction));
}

/** aᵇ where 1 to any power is 1, even to NaN, and -1 to an infinite one, as in IEEE 754 and PyTorch. */
export function powOf(a: number, b: number): number {
  // JavaScript has NaN for (±1) ** ±Infinity.
  return a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b;
}

/** To the nearest whole number, halves to the even one. */
export function roundOf(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}
