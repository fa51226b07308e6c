// What becomes of the four sums in a window when relu and max-pool follow: y, and the place it came from, see
// conv-block.wgsl.

const NONE = 0xffffffffu;

// By its bits: compilers take `v != v` to be false.
fn isNan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn putWindow(at: u32, sum: vec4<f32>) {
  let r = select(sum, vec4<f32>(), sum <= vec4<f32>());
  let best = max(max(r.x, r.y), max(r.z, r.w));
  // A NaN beats everything, and only a NaN makes the sum of relus one.
  let all = r.x + r.y + r.z + r.w;
  let position = select(select(select(3u, 2u, r.z == best), 1u, r.y == best), 0u, r.x == best);
  y[at] = select(best, all, isNan(all));
  code[at] = select(NONE, position, (best > 0.0) & !isNan(all));
}
