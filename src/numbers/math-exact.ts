/**
 * Logarithm, sine and cosine computed with + - * / only. Engines may implement Math.log, Math.sin and Math.cos
 * differently in the last bit; these functions give the same bits on every host, so random numbers are reproducible.
 * Accurate to about 1e-15, for the arguments that random numbers need.
 */

/** ln(m / 2^24) for a whole m in 1 .. 2^24. */
export function logOfFraction(m: number): number {
  // m = x * 2^e with x in [sqrt(1/2), sqrt(2)); ln x = 2 atanh(s), s = (x - 1) / (x + 1), |s| < 0.172
  let e = 31 - Math.clz32(m);
  let x = m / 2 ** e;
  if (x > Math.SQRT2) {
    x /= 2;
    e++;
  }
  const s = (x - 1) / (x + 1);
  const q = s * s;
  let sum = 0;
  for (let k = 23; k >= 1; k -= 2) sum = sum * q + 1 / k;
  return 2 * s * sum + (e - 24) * Math.LN2;
}

/** [cos, sin] of 2 pi turns, for turns in [-4, 4]. */
export function cosSin2Pi(turns: number): [cos: number, sin: number] {
  const quarters = Math.round(turns * 4);
  const x = (turns - quarters / 4) * (2 * Math.PI); // |x| <= pi / 4
  const q = x * x;
  // Taylor series to x^17 and x^16, from the highest term down.
  let sin = 1;
  let cos = 1;
  for (let k = 16; k >= 2; k -= 2) {
    sin = 1 - (q / (k * (k + 1))) * sin;
    cos = 1 - (q / (k * (k - 1))) * cos;
  }
  sin *= x;
  switch (((quarters % 4) + 4) % 4) {
    case 0:
      return [cos, sin];
    case 1:
      return [-sin, cos];
    case 2:
      return [-cos, -sin];
    default:
      return [sin, -cos];
  }
}
