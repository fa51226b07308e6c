// FRAGMENT: a result, see gemm-fragment.wgsl; for conv-operands-fragment.wgsl, with conv-store-fragment.wgsl or
// conv-store-vector-fragment.wgsl: y [N, O, OH, OW], one row per channel of the group and one column per output position.

override OH: u32;
override OW: u32;
override BIAS: bool;

@group(0) @binding(3) var<storage, read> b: array<f32>;

fn positionsOf(n: u32) -> Positions {
  let p = min(n + STEPS, vec4(N * OH * OW - 1u));
  return Positions(p / (OH * OW), p / OW % OH, p % OW);
}

fn finished(channel: u32, sums: vec4<f32>) -> vec4<f32> {
  if (BIAS) { return sums + b[min(channel, O - 1u)]; }
  return sums;
}

// Where channel `channel` at output position n is in y.
fn placeOf(channel: u32, n: u32) -> u32 {
  return (n / (OH * OW) * O + channel) * (OH * OW) + n % (OH * OW);
}
