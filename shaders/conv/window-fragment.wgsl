// FRAGMENT: what relu and a 2 x 2 max-pool make of the four sums of a window: y, and in code the argmax index, row * 2 + column,
// or NONE where relu is inactive and so no gradient passes. Needs y: array<f32>, code: array<u32> and special-functions.wgsl.

const NONE = 0xffffffffu;

fn storeWindow(at: u32, sums: vec4<f32>) {
  let r = relu4(sums);
  let best = max(max(r.x, r.y), max(r.z, r.w));
  // A NaN beats everything, the last one the others, and only a NaN makes the sum of relus one.
  let all = r.x + r.y + r.z + r.w;
  let position = select(select(select(3u, 2u, r.z == best), 1u, r.y == best), 0u, r.x == best);
  let strange = isNan4(r);
  let last = select(select(select(0u, 1u, strange.y), 2u, strange.z), 3u, strange.w);
  let wins = isNan(all);
  y[at] = select(best, all, wins);
  code[at] = select(NONE, select(position, last, wins), passes(best) | wins);
}
