// FRAGMENT: what forward and backward of attention share: sizes, which keys a query sees, dropout. Needs special-functions.wgsl,
// random-functions.wgsl and one of quad-lanes-fragment.wgsl, single-lanes-fragment.wgsl and tile-lanes-fragment.wgsl.
// A block of scores is a mat4x4 with a column per query and a row per key. Scores are in units of log 2.

override CAUSAL: u32;     // 0: query i sees all keys; 1: keys j <= i; 2: j <= i + length - L
override MASK: u32;       // 0: none; 1: f32, 1 or 0; 2: integers, other than 0 or 0; 3: f32, added to scores
override LENGTHS: bool;   // the first `lengths[n]` keys of sample n are valid; else all
override CHANCE: u32;     // of dropping a weight, in 2^-24
override keptScale: f32;  // what the weights that are kept are multiplied by
override scale: f32;

// Strides and offsets in vec4s: …O of the tensor, …N from sample to sample, …H from head to head, …T from row to row. M… in words.
struct Sizes {
  N: u32, H: u32, G: u32, L: u32, S: u32, E4: u32, STREAM: u32,  // G query heads share keys
  QO: u32, QN: u32, QH: u32, QT: u32,
  KO: u32, KN: u32, KH: u32, KT: u32,
  VO: u32, VN: u32, VH: u32, VT: u32,
  YN: u32, YH: u32, YT: u32,
  MN: u32, MH: u32, ML: u32, MS: u32,
}

@group(0) @binding(3) var<storage, read> mask: array<u32>;
@group(0) @binding(4) var<storage, read> lengths: array<i32>;
@group(0) @binding(5) var<storage, read> seeds: array<u32>;  // key, step
@group(0) @binding(8) var<uniform> sizes: Sizes;

const LOG2_E = 1.4426950408889634;
// Below every score: that of a hidden key, and the maximum before the first key.
const HIDDEN = -3e38;
const LOWEST = -1e38;

// Four blocks of four rows each, of whatever is read by all queries or by all keys of a workgroup.
struct Blocks {
  a: mat4x4<f32>,
  b: mat4x4<f32>,
  c: mat4x4<f32>,
  d: mat4x4<f32>,
}

// Four numbers from `first` on.
fn four(first: u32) -> vec4<u32> { return vec4(first) + vec4(0u, 1u, 2u, 3u); }

// Row of the first of the four rows in block p of a lane, relative to the 16 rows of all blocks.
fn blockRow(lane: u32, p: u32) -> u32 { return 4u * (quadLane(lane) ^ p); }

fn lengthOf(n: u32) -> i32 {
  if (LENGTHS) { return clamp(lengths[n], 0, i32(sizes.S)); }
  return i32(sizes.S);
}

// Query i sees keys below i + 1 + this.
fn causalShift(length: i32) -> i32 {
  if (CAUSAL == 1u) { return 0; }
  return length - i32(sizes.L);
}

// The number of keys in front of which the keys of query i lie; 0 where there is no such query.
fn limitOf(i: u32, length: i32) -> i32 {
  var limit = length;
  if (CAUSAL > 0u) { limit = clamp(i32(i) + 1 + causalShift(length), 0, length); }
  return select(0, limit, i < sizes.L);
}

fn limitsOf(i: vec4<u32>, length: i32) -> vec4<i32> {
  return vec4(limitOf(i.x, length), limitOf(i.y, length), limitOf(i.z, length), limitOf(i.w, length));
}

// Scores of query i for keys j to j + 3 from the products: scaled, with the mask applied, and HIDDEN where the query does not see
// the key. NaN where a truth value is neither 0 nor 1.
fn scoresOf(products: vec4<f32>, n: u32, h: u32, i: u32, j: u32, limit: i32) -> vec4<f32> {
  var s = products * (scale * LOG2_E);
  let keys = four(j);
  var hides = vec4<i32>(keys) >= vec4(limit);
  if (MASK > 0u) {
    let at = n * sizes.MN + h * sizes.MH + min(i, sizes.L - 1u) * sizes.ML + min(keys, vec4(sizes.S - 1u)) * sizes.MS;
    let m = vec4(mask[at.x], mask[at.y], mask[at.z], mask[at.w]);
    if (MASK == 1u) {
      let zero = (m & vec4(0x7fffffffu)) == vec4(0u);
      s = select(vec4(nan()), s, zero | (m == vec4(0x3f800000u)));
      hides |= zero;
    } else if (MASK == 2u) {
      hides |= m == vec4(0u);
    } else {
      s += bitcast<vec4<f32>>(m) * LOG2_E;
      hides |= m == vec4(0xff800000u);
    }
  }
  return select(s, vec4(HIDDEN), hides);
}

// exp2(s - m), and 0 for hidden keys: drivers clamp the argument of exp2.
fn weightsOf(s: vec4<f32>, m: f32) -> vec4<f32> { return select(exp2(s - m), vec4<f32>(), s == vec4(HIDDEN)); }

// What dropout multiplies the weights of keys j to j + 3 by, j a multiple of 4. `row`: of all [N, H, L].
fn keptOf(row: u32, j: u32) -> vec4<f32> {
  let key = vec2(seeds[0] ^ sizes.STREAM, seeds[1]);
  let pair = row * ((sizes.S + 1u) / 2u) + j / 2u;
  let words = vec4(threefry2x32(key, vec2(pair, seeds[2])), threefry2x32(key, vec2(pair + 1u, seeds[2])));
  return select(vec4(keptScale), vec4<f32>(), (words >> vec4(8u)) < vec4(CHANCE));
}

fn sum4(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }
fn max4(v: vec4<f32>) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
