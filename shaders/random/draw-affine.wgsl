// Draws one affine map per sample: the product of STEPS random maps, in integer arithmetic (16.16 fixed point; angles in 2^-32 turns),
// so that every adapter draws the same bits. Needs random-functions.wgsl.
// ranges [STEPS, 12]: see rowOf in src/ops/random/draw-affine.ts   theta [N, 2, 3]

override N: u32;
override STEPS: u32;
override STREAM: u32;

@group(0) @binding(0) var<storage, read> ranges: array<i32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> key: array<u32>;
@group(0) @binding(3) var<storage, read_write> theta: array<i32>;

// floor(a b / 2^16), from products of 16-bit halves.
fn fixedMul(a: i32, b: i32) -> i32 {
  let al = a & 0xffff;
  let bl = b & 0xffff;
  return (a >> 16u) * b + al * (b >> 16u) + i32((u32(al) * u32(bl)) >> 16u);
}

// a 2^16 / b, rounded towards 0, for b > 0: long division.
fn fixedDiv(a: i32, b: i32) -> i32 {
  let divisor = u32(b);
  var quotient = u32(abs(a)) / divisor;
  var rest = u32(abs(a)) % divisor;
  for (var bit = 0u; bit < 16u; bit++) {
    rest <<= 1u;
    quotient <<= 1u;
    if (rest >= divisor) {
      rest -= divisor;
      quotient |= 1u;
    }
  }
  return select(i32(quotient), -i32(quotient), a < 0);
}

// Cosine and sine in units of 2^-28: a quarter turn is taken off, then CORDIC rotates by the rest, an eighth at most.
fn cosSin(angle: u32) -> vec2<i32> {
  var arcs = array<i32, 24>(536870912, 316933406, 167458907, 85004756, 42667331, 21354465, 10679838, 5340245, 2670163,
    1335087, 667544, 333772, 166886, 83443, 41722, 20861, 10430, 5215, 2608, 1304, 652, 326, 163, 81);
  let quarter = (angle + 0x20000000u) >> 30u;
  var rest = bitcast<i32>(angle - (quarter << 30u));
  var v = vec2<i32>(163008218, 0);
  for (var i = 0u; i < 24u; i++) {
    let turn = select(-1, 1, rest >= 0);
    v += turn * vec2(-(v.y >> i), v.x >> i);
    rest -= turn * arcs[i];
  }
  switch quarter {
    case 0u: { return v; }
    case 1u: { return vec2(-v.y, v.x); }
    case 2u: { return -v; }
    default: { return vec2(v.y, -v.x); }
  }
}

@compute @workgroup_size(64)
fn draw(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let n = id.y * groups.x * 64u + id.x;
  if (n >= N) { return; }
  var m = vec4<i32>(65536, 0, 0, 65536);
  var t = vec2<i32>();
  for (var k = 0u; k < STEPS; k++) {
    var words: array<u32, 8>;
    for (var j = 0u; j < 4u; j++) {
      let pair = threefry2x32(vec2(key[0] ^ STREAM, key[1]), vec2((n * STEPS + k) * 4u + j, step[0]));
      words[2u * j] = pair.x;
      words[2u * j + 1u] = pair.y;
    }
    let r = 12u * k;
    let flipX = select(1, -1, (words[0] >> 8u) < u32(ranges[r]));
    let flipY = select(1, -1, (words[1] >> 8u) < u32(ranges[r + 1u]));
    let angle = u32(ranges[r + 2u]) + u32(ranges[r + 3u]) * (words[2] >> 16u);
    let scale = ranges[r + 4u] + fixedMul(ranges[r + 5u], i32(words[3] >> 16u));
    let shear = cosSin(u32(ranges[r + 6u]) + u32(ranges[r + 7u]) * (words[4] >> 16u));
    let shift = vec2(
      ranges[r + 8u] + i32(((words[5] >> 16u) * u32(ranges[r + 9u])) & 0xffff0000u),
      ranges[r + 10u] + i32(((words[6] >> 16u) * u32(ranges[r + 11u])) & 0xffff0000u));
    // The inverse of scaling, then shearing, then rotating; then the flips.
    let turned = (cosSin(angle) + vec2(0x800)) >> vec2(12u);
    let tangent = fixedDiv(shear.y, shear.x);
    let cosine = turned.x;
    let sine = turned.y;
    let a = vec4(
      flipX * fixedDiv(cosine - fixedMul(sine, tangent), scale),
      flipX * fixedDiv(sine + fixedMul(cosine, tangent), scale),
      flipY * fixedDiv(-sine, scale),
      flipY * fixedDiv(cosine, scale));
    let moved = -vec2(fixedMul(a.x, shift.x) + fixedMul(a.y, shift.y), fixedMul(a.z, shift.x) + fixedMul(a.w, shift.y));
    t += vec2(fixedMul(m.x, moved.x) + fixedMul(m.y, moved.y), fixedMul(m.z, moved.x) + fixedMul(m.w, moved.y));
    m = vec4(
      fixedMul(m.x, a.x) + fixedMul(m.y, a.z), fixedMul(m.x, a.y) + fixedMul(m.y, a.w),
      fixedMul(m.z, a.x) + fixedMul(m.w, a.z), fixedMul(m.z, a.y) + fixedMul(m.w, a.w));
  }
  theta[6u * n] = m.x;
  theta[6u * n + 1u] = m.y;
  theta[6u * n + 2u] = t.x;
  theta[6u * n + 3u] = m.z;
  theta[6u * n + 4u] = m.w;
  theta[6u * n + 5u] = t.y;
}
