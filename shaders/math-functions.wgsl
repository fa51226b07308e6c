// Functions that WGSL lacks or leaves inexact. Functions only: they are appended to the kernels that use them.

// By bits: compilers with fast mathematics take x != x for false.
fn isNanOf(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

// log as in IEEE 754: drivers make numbers of log(-1), log(0), log(NaN) and log(Infinity).
fn logOf(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let magnitude = bits & 0x7fffffffu;
  if (magnitude == 0u) { return bitcast<f32>(0xff800000u | magnitude); }
  if (bits == 0x7f800000u) { return x; }
  // Below 0 and NaN; of the sign bit and a NaN a NaN is made that no compiler can foresee.
  if (bits > 0x7f800000u) { return bitcast<f32>(0x7fc00000u | (bits >> 31u)); }
  return log(x);
}

// exp that keeps NaN.
fn expOf(x: f32) -> f32 { return select(exp(x), x, isNanOf(x)); }

// log(1 + x) without losing small x: a series below 1/64, where 1 + x would round.
fn log1pOf(x: f32) -> f32 {
  let series = x * (1.0 - x * (0.5 - x * (0.33333333 - x * (0.25 - x * 0.2))));
  return select(logOf(1.0 + x), series, abs(x) < 0.015625);
}

// exp(x) - 1 without losing small x.
fn expm1Of(x: f32) -> f32 {
  let series = x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * 0.0083333333))));
  return select(expOf(x) - 1.0, series, abs(x) < 0.125);
}

// The error function. Below 1 its Maclaurin series; above, 1 - exp(-x^2) times a rational fit of erfcx
// (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26; absolute error below 1.5e-7).
fn erfOf(x: f32) -> f32 {
  let a = abs(x);
  let s = x * x;
  let series = 1.1283792 * x * (1.0 - s * (0.33333333 - s * (0.1 - s * (0.023809524 - s * (0.0046296296 -
    s * (0.00075757576 - s * (0.00010683761 - s * 0.000013227513)))))));
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return select(sign(x) * (1.0 - tail * exp(-s)), series, a < 1.0);
}

// a^b as in IEEE 754: negative bases with whole exponents, 0^0 = 1. NaN for other exponents of negative bases.
fn powOf(a: f32, b: f32) -> f32 {
  if (b == 0.0 || a == 1.0) { return 1.0; }
  let size = pow(abs(a), b);
  if (a == 0.0) { return select(0.0, 1.0 / abs(a), b < 0.0); }
  if (a > 0.0) { return size; }
  if (floor(b) != b) { return sqrt(a); }
  // Beyond 2^24 every float32 is even.
  let odd = abs(b) < 16777216.0 && (i32(b) & 1) == 1;
  return select(size, -size, odd);
}

// x less the nearest multiple of pi/2 (pi/2 in three parts, so that the difference is exact for |x| up to some
// thousands), and which multiple it was. The built-in sine may be off by 2^-11.
struct Angle { rest: f32, quarter: i32 }

fn reduce(x: f32) -> Angle {
  let k = round(x * 0.63661977);
  let rest = ((x - k * 1.5703125) - k * 4.8375129699707031e-4) - k * 7.5497899548918822e-8;
  return Angle(rest, i32(k));
}

// Polynomials on [-pi/4, pi/4] after the Cephes library's single-precision sine and cosine (S. L. Moshier, 1984).
fn sinPart(r: f32) -> f32 {
  let s = r * r;
  return r + r * s * (-0.16666654611 + s * (0.0083321608736 - s * 0.00019515295891));
}

fn cosPart(r: f32) -> f32 {
  let s = r * r;
  return 1.0 - 0.5 * s + s * s * (0.041666645683 + s * (-0.0013887316255 + s * 0.000024433157118));
}

fn sinOf(x: f32) -> f32 {
  let a = reduce(x);
  let y = select(sinPart(a.rest), cosPart(a.rest), (a.quarter & 1) == 1);
  return select(y, -y, (a.quarter & 2) == 2);
}

fn cosOf(x: f32) -> f32 {
  let a = reduce(x);
  let y = select(cosPart(a.rest), sinPart(a.rest), (a.quarter & 1) == 1);
  return select(y, -y, ((a.quarter + 1) & 2) == 2);
}
