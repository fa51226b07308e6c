// Fragment: mathematical functions that WGSL lacks or leaves inexact. Needs special-functions.wgsl. Provides logOf, expOf, sqrtOf,
// rsqrtOf, signOf, floorOf, ceilOf, roundOf, log1pOf, expm1Of, erfOf, powOf, sinOf and cosOf.

// log as in IEEE 754: drivers return finite numbers for log(-1), log(0), log(NaN) and log(Infinity), and flush denormal numbers.
fn logOf(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let magnitude = bits & 0x7fffffffu;
  if (magnitude == 0u) { return -infinity(); }
  if (bits == 0x7f800000u || isNan(x)) { return x; }
  if (bits > 0x7f800000u) { return nan(); }
  // Denormal: bits * 2^-149.
  if (bits < 0x800000u) { return log(f32(bits)) - 103.27893; }
  return log(x);
}

// exp that keeps NaN.
fn expOf(x: f32) -> f32 { return select(exp(x), x, isNan(x)); }

fn sqrtOf(x: f32) -> f32 {
  if (isNan(x) || isZero(x) || bitcast<u32>(x) == 0x7f800000u) { return x; }
  if (bitcast<u32>(x) > 0x80000000u) { return nan(); }
  return sqrt(x);
}

fn rsqrtOf(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  if (isZero(x)) { return select(infinity(), -infinity(), bitcast<u32>(x) != 0u); }
  if (bitcast<u32>(x) > 0x80000000u) { return nan(); }
  return select(inverseSqrt(x), 0.0, bitcast<u32>(x) == 0x7f800000u);
}

// -1, 0, 1 or NaN.
fn signOf(x: f32) -> f32 { return select(sign(x), x, isNan(x)); }

// `whole`, a rounding of x, or x itself where that is NaN or infinite.
fn orNotFinite(whole: f32, x: f32) -> f32 { return select(x, whole, isFinite(x)); }
fn floorOf(x: f32) -> f32 { return orNotFinite(floor(x), x); }
fn ceilOf(x: f32) -> f32 { return orNotFinite(ceil(x), x); }
fn roundOf(x: f32) -> f32 { return orNotFinite(round(x), x); }

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

fn erfOf(x: f32) -> f32 { return erf4(vec4(x), vec4(exp(-x * x))).x; }

// a^b as in IEEE 754: negative bases with whole exponents, 1 for a = 1 or b = 0, even with NaN. NaN for other exponents of
// negative bases.
fn powOf(a: f32, b: f32) -> f32 {
  if (isZero(b) || bitcast<u32>(a) == 0x3f800000u) { return 1.0; }
  if (isNan(a)) { return a; }
  if (isNan(b)) { return b; }
  let negative = bitcast<u32>(a) > 0x7fffffffu;
  // Beyond 2^24 every float32 is even.
  let odd = abs(b) < 16777216.0 && floor(b) == b && (i32(b) & 1) == 1;
  let size = abs(a);
  var y = 1.0;
  if (isZero(a) || !isFinite(a) || !isFinite(b)) {
    let grows = (size > 1.0 || !isFinite(a)) == (bitcast<u32>(b) < 0x80000000u);
    y = select(0.0, infinity(), grows);
    if (size == 1.0) { y = 1.0; }
  } else {
    if (negative && floor(b) != b) { return nan(); }
    y = pow(size, b);
  }
  return select(y, -y, negative && odd);
}

// The 64-bit product: high word, low word.
fn multiplyWide(a: u32, b: u32) -> vec2<u32> {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return vec2((a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u), a * b);
}

// x minus the nearest multiple of pi/2, and that multiple, modulo 4. The built-in sine may be off by 2^-11.
struct Angle { rest: f32, quarter: i32 }

fn reduce(x: f32) -> Angle {
  if (abs(x) > 512.0) { return reduceLarge(x); }
  // pi/2 in three parts, so that the difference is exact.
  let k = round(x * 0.63661977);
  let rest = ((x - k * 1.5703125) - k * 4.8375129699707031e-4) - k * 7.5497899548918822e-8;
  return Angle(rest, i32(k));
}

// The same for large x, in integers: x times as many binary digits of 2/pi as its exponent needs (M. Payne, R. Hanek, 1983).
fn reduceLarge(x: f32) -> Angle {
  // 2/pi shifted right by two bits, so that a product keeps two bits before the point.
  var digits = array<u32, 7>(0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0u);
  let bits = bitcast<u32>(x);
  let mantissa = (bits << 8u) | 0x80000000u;
  let exponent = ((bits >> 23u) & 0xffu) - 126u;
  let first = exponent / 32u;
  let shift = exponent % 32u;
  let before = select(0u, digits[max(first, 1u) - 1u], first > 0u);
  // Shifting by 32 is undefined, so one bit is shifted separately.
  let down = 31u - shift;
  let high = (before << shift) | ((digits[first] >> 1u) >> down);
  let middle = (digits[first] << shift) | ((digits[first + 1u] >> 1u) >> down);
  let low = (digits[first + 1u] << shift) | ((digits[first + 2u] >> 1u) >> down);
  let carried = multiplyWide(mantissa, middle);
  let least = carried.y + multiplyWide(mantissa, low).x;
  let most = mantissa * high + carried.x + select(0u, 1u, least < carried.y);
  // Two bits of quarters, then the fraction of a quarter, from -1/2 to 1/2.
  let quarter = (most + 0x20000000u) >> 30u;
  let fraction = f32(bitcast<i32>(most - (quarter << 30u))) * 0x1p-30 + f32(least) * 0x1p-62;
  let rest = fraction * 1.5707963;
  if (bits > 0x7fffffffu) { return Angle(-rest, -i32(quarter)); }
  return Angle(rest, i32(quarter));
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

// NaN of an infinite angle.
fn sinOf(x: f32) -> f32 {
  if (!isFinite(x)) { return nan(); }
  let a = reduce(x);
  let y = select(sinPart(a.rest), cosPart(a.rest), (a.quarter & 1) == 1);
  return select(y, -y, (a.quarter & 2) == 2);
}

fn cosOf(x: f32) -> f32 {
  if (!isFinite(x)) { return nan(); }
  let a = reduce(x);
  let y = select(cosPart(a.rest), sinPart(a.rest), (a.quarter & 1) == 1);
  return select(y, -y, ((a.quarter + 1) & 2) == 2);
}
