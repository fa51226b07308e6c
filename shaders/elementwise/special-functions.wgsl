// Fragment: NaN, infinities and zeros told apart by their bits, and functions that keep NaN. WGSL lets a compiler assume that there
// are no NaN and infinities, so comparisons, min, max and clamp may lose or produce them. Functions ending in 4 take vectors.

fn isNan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }

fn isNan4(v: vec4<f32>) -> vec4<bool> { return (bitcast<vec4<u32>>(v) & vec4(0x7fffffffu)) > vec4(0x7f800000u); }

fn isFinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u; }

// A zero of either sign; a denormal number is none, even where the adapter flushes those.
fn isZero(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) == 0u; }

// From 0 to 1.
fn isProbability(v: f32) -> bool { return bitcast<u32>(v) <= 0x3f800000u || isZero(v); }

// NaN and Infinity as run-time values: WGSL refuses them in constant expressions.
fn nan() -> f32 {
  var bits = 0x7fc00000u;
  return bitcast<f32>(bits);
}

fn infinity() -> f32 {
  var bits = 0x7f800000u;
  return bitcast<f32>(bits);
}

// max(v, 0) where NaN stays NaN: all from -Infinity to -0 becomes 0.
fn reluOf(v: f32) -> f32 { return select(v, 0.0, (bitcast<u32>(v) ^ 0x80000000u) <= 0x7f800000u); }

fn relu4(v: vec4<f32>) -> vec4<f32> {
  return select(v, vec4<f32>(), (bitcast<vec4<u32>>(v) ^ vec4(0x80000000u)) <= vec4(0x7f800000u));
}

// Whether relu's gradient passes where its output is y: not at 0. NaN lets it through, as in PyTorch.
fn passes(y: f32) -> bool { return !isZero(y); }

fn passes4(y: vec4<f32>) -> vec4<bool> { return (bitcast<vec4<u32>>(y) & vec4(0x7fffffffu)) != vec4<u32>(); }

// 1 / (1 + exp(-x)) and tanh(x). Drivers return finite numbers for exp(NaN), and some compute tanh from exp(2 x), which overflows;
// beyond 9 the float32 result is 1.
fn sigmoidOf(x: f32) -> f32 { return select(1.0 / (1.0 + exp(-x)), x, isNan(x)); }

fn sigmoid4(x: vec4<f32>) -> vec4<f32> { return select(1.0 / (1.0 + exp(-x)), x, isNan4(x)); }

fn tanhOf(x: f32) -> f32 {
  return select(select(tanh(clamp(x, -9.1, 9.1)), tanhNear0(vec4(x)).x, abs(x) < 0.25), x, isNan(x));
}

fn tanh4(x: vec4<f32>) -> vec4<f32> {
  return select(select(tanh(clamp(x, vec4(-9.1), vec4(9.1))), tanhNear0(x), abs(x) < vec4(0.25)), x, isNan4(x));
}

// The Maclaurin series, for |x| < 1/4: some drivers lose most or all of the digits of small x.
fn tanhNear0(x: vec4<f32>) -> vec4<f32> {
  let s = x * x;
  return x * (1.0 - s * (0.33333333 - s * (0.13333333 - s * (0.053968254 - s * 0.021869489))));
}

// The error function; `e` is exp(-x^2). Below 1 its Maclaurin series; above, 1 - e times a rational fit of erfcx
// (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26; absolute error below 1.5e-7).
fn erf4(x: vec4<f32>, e: vec4<f32>) -> vec4<f32> {
  let a = abs(x);
  let s = x * x;
  let series = 1.1283792 * x * (1.0 - s * (0.33333333 - s * (0.1 - s * (0.023809524 - s * (0.0046296296 -
    s * (0.00075757576 - s * (0.00010683761 - s * 0.000013227513)))))));
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return select(select(sign(x) * (1.0 - tail * e), series, a < vec4(1.0)), x, isNan4(x));
}

// Activations and their derivatives, all from their input. gelu: x Phi(x), Phi the normal distribution function.
fn gelu4(x: vec4<f32>) -> vec4<f32> {
  let h = x * 0.70710678;
  return 0.5 * x * (1.0 + erf4(h, exp(-h * h)));
}

fn geluDerivative4(x: vec4<f32>) -> vec4<f32> {
  let h = x * 0.70710678;
  let e = exp(-h * h);
  return 0.5 * (1.0 + erf4(h, e)) + 0.39894228 * x * e;
}

// gelu with a tanh instead of the error function.
fn geluTanh4(x: vec4<f32>) -> vec4<f32> { return 0.5 * x * (1.0 + tanh4(x * (0.79788456 + 0.035677408 * x * x))); }

fn geluTanhDerivative4(x: vec4<f32>) -> vec4<f32> {
  let s = x * x;
  let t = tanh4(x * (0.79788456 + 0.035677408 * s));
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * (0.79788456 + 0.10703222 * s);
}

fn silu4(x: vec4<f32>) -> vec4<f32> { return x * sigmoid4(x); }

fn siluDerivative4(x: vec4<f32>) -> vec4<f32> {
  let s = sigmoid4(x);
  return s * (1.0 + x * (1.0 - s));
}

// v with e: 1 relu, 2 sigmoid, 3 tanh, v times the derivative where that gave e; 4 gelu, 5 gelu by tanh, 6 silu, times the
// derivative at e; 7 the sum.
fn withExtra(kind: u32, v: vec4<f32>, e: vec4<f32>) -> vec4<f32> {
  if (kind == 1u) { return select(vec4<f32>(), v, passes4(e)); }
  if (kind == 2u) { return v * (e * (1.0 - e)); }
  if (kind == 3u) { return v * (1.0 - e * e); }
  if (kind == 4u) { return v * geluDerivative4(e); }
  if (kind == 5u) { return v * geluTanhDerivative4(e); }
  if (kind == 6u) { return v * siluDerivative4(e); }
  return v + e;
}

// Maximum and minimum; NaN beats every number.
fn larger(a: f32, b: f32) -> f32 { return select(select(max(a, b), b, isNan(b)), a, isNan(a)); }

fn smaller(a: f32, b: f32) -> f32 { return select(select(min(a, b), b, isNan(b)), a, isNan(a)); }

// a < b and a == b, false with NaN on either side.
fn lessThan(a: f32, b: f32) -> bool { return (a < b) & !isNan(a) & !isNan(b); }

fn equals(a: f32, b: f32) -> bool { return (a == b) & !isNan(a) & !isNan(b); }
