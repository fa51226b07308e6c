// Random numbers by counter: the words of elements 2j and 2j + 1 are those of Threefry at counter (j, step), under the key mixed
// with STREAM. Needs random-functions.wgsl. x (of dropout), y: COUNT values; each invocation does PER vec4s, 64 apart.

override COUNT: u32;
override PER: u32;
override STREAM: u32;
override low: f32;    // uniform: least value    normal: mean
override width: f32;  // uniform: high - low     normal: standard deviation
override CHOICES: u32;  // choice: number of values
override CHANCE: u32;  // in 2^-24: of a 1 (bernoulli), of a 0 (dropout)
override scale: f32;   // of what dropout keeps

@group(0) @binding(0) var<storage, read> step: array<u32>;
@group(0) @binding(1) var<storage, read> key: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

// 24 bits each for elements 4i … 4i + 3.
fn bits(i: u32) -> vec4<u32> {
  let k = vec2(key[0] ^ STREAM, key[1]);
  let words = vec4(threefry2x32(k, vec2(2u * i, step[0])), threefry2x32(k, vec2(2u * i + 1u, step[0])));
  return words >> vec4(8u);
}

// Elements past COUNT stay 0.
fn put(i: u32, value: vec4<f32>) {
  y[i] = select(vec4<f32>(), value, vec4(4u * i) + vec4(0u, 1u, 2u, 3u) < vec4(COUNT));
}

struct Range {
  first: u32,
  last: u32,
}

fn vectorsOf(group: u32, lane: u32) -> Range {
  let first = group * 64u * PER + lane;
  return Range(first, min(first + 64u * PER, (COUNT + 3u) / 4u));
}

@compute @workgroup_size(64)
fn uniform_(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  let r = vectorsOf(wg.y * n.x + wg.x, lane);
  for (var i = r.first; i < r.last; i += 64u) { put(i, low + width * (vec4<f32>(bits(i)) * 0x1p-24)); }
}

@compute @workgroup_size(64)
fn bernoulli(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let r = vectorsOf(wg.y * n.x + wg.x, lane);
  for (var i = r.first; i < r.last; i += 64u) {
    put(i, select(vec4<f32>(), vec4<f32>(1.0), bits(i) < vec4(CHANCE)));
  }
}

@compute @workgroup_size(64)
fn choice(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let r = vectorsOf(wg.y * n.x + wg.x, lane);
  for (var i = r.first; i < r.last; i += 64u) {
    let at = ((bits(i) >> vec4(8u)) * CHOICES) >> vec4(16u);
    put(i, vec4(values[at.x], values[at.y], values[at.z], values[at.w]));
  }
}

@compute @workgroup_size(64)
fn dropout(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let r = vectorsOf(wg.y * n.x + wg.x, lane);
  for (var i = r.first; i < r.last; i += 64u) {
    put(i, select(x[i] * scale, vec4<f32>(), bits(i) < vec4(CHANCE)));
  }
}

// ln(m / 2^24) for m in 1 … 2^24, as in src/numbers/math-exact.ts: 2 atanh((f - 1) / (f + 1)) with m = f 2^e, f near 1.
// The built-in log may be off by 2^-21 near 1, and the root of the result then by 1e-3.
fn logOfFraction(m: u32) -> f32 {
  var e = firstLeadingBit(m);
  var f = bitcast<f32>((bitcast<u32>(f32(m)) & 0x7fffffu) | 0x3f800000u);
  if (f > 1.4142135) {
    f *= 0.5;
    e += 1u;
  }
  let s = (f - 1.0) / (f + 1.0);
  let q = s * s;
  let series = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q / 11.0))));
  return 2.0 * s * series + (f32(e) - 24.0) * 0.69314718;
}

// cos and sin of k / 2^24 turns: Taylor series about the nearest quarter turn.
fn cosSin(k: u32) -> vec2<f32> {
  let quarter = (k + 0x200000u) >> 22u;
  let angle = f32(i32(k) - i32(quarter << 22u)) * (6.2831853 * 0x1p-24);
  let q = angle * angle;
  let s = angle * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0))));
  let c = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0))));
  switch quarter & 3u {
    case 0u: { return vec2(c, s); }
    case 1u: { return vec2(-s, c); }
    case 2u: { return vec2(-c, -s); }
    default: { return vec2(s, -c); }
  }
}

// Two normal numbers from two words, by the method of Box and Muller.
fn normalPair(words: vec2<u32>) -> vec2<f32> {
  return sqrt(-2.0 * logOfFraction(words.x + 1u)) * cosSin(words.y);
}

@compute @workgroup_size(64)
fn normal(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let r = vectorsOf(wg.y * n.x + wg.x, lane);
  for (var i = r.first; i < r.last; i += 64u) {
    let words = bits(i);
    put(i, low + width * vec4(normalPair(words.xy), normalPair(words.zw)));
  }
}
