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

// Maximum and minimum; NaN beats every number.
fn larger(a: f32, b: f32) -> f32 { return select(select(max(a, b), b, isNan(b)), a, isNan(a)); }

fn smaller(a: f32, b: f32) -> f32 { return select(select(min(a, b), b, isNan(b)), a, isNan(a)); }

// a < b and a == b, false with NaN on either side.
fn lessThan(a: f32, b: f32) -> bool { return (a < b) & !isNan(a) & !isNan(b); }

fn equals(a: f32, b: f32) -> bool { return (a == b) & !isNan(a) & !isNan(b); }
