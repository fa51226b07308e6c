// FRAGMENT: operand A of conv-weight-operands-fragment.wgsl, see gemm-fragment.wgsl: dy [N, O, OH, OW], output positions in the
// order of memory.

override OH: u32;
override OW: u32;

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> dy2: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> dy4: array<vec4<f32>>;

fn positionsOf(k: u32) -> Positions {
  if (OW % 4u == 0u) {
    let first = select(k, min(k, DEPTH - 4u), K_TAIL);
    return Positions(vec4(first / (OH * OW)), vec4(first / OW % OH), first % OW + STEPS);
  }
  let p = min(k + STEPS, vec4(DEPTH - 1u));
  return Positions(p / (OH * OW), p / OW % OH, p % OW);
}

// Where channels m … m + 3 of the first image begin.
alias Rows = vec4<u32>;

fn rowsOf(z: u32, m: u32) -> Rows {
  return (z * OG + min(m + STEPS, vec4(OG - 1u))) * (OH * OW);
}

fn aBlock(z: u32, rows: Rows, k: u32) -> mat4x4<f32> {
  if (OH * OW % 4u == 0u) {
    if (K_TAIL & (k >= DEPTH)) { return mat4x4<f32>(); }
    let at = (rows + k / (OH * OW) * ((O - 1u) * OH * OW) + k) / 4u;
    return mat4x4(dy4[at.x], dy4[at.y], dy4[at.z], dy4[at.w]);
  }
  let p = min(k + STEPS, vec4(DEPTH - 1u));
  let at = p / (OH * OW) * ((O - 1u) * OH * OW) + p;
  let inside = k + STEPS < vec4(DEPTH);
  let zero = vec4<f32>();
  return mat4x4(select(zero, dyFour(rows.x + at), inside), select(zero, dyFour(rows.y + at), inside),
                select(zero, dyFour(rows.z + at), inside), select(zero, dyFour(rows.w + at), inside));
}

fn dyFour(at: vec4<u32>) -> vec4<f32> {
  return vec4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
}

fn aPair(z: u32, rows: Rows, s: Steps) -> mat2x4<f32> {
  let at = rows + (s.first.x * (O * OH) + s.first.y) * OW + s.first.z;
  if (OH * OW % 2u == 0u) {
    let pair = at >> vec4(1u);
    return transpose(mat4x2(dy2[pair.x], dy2[pair.y], dy2[pair.z], dy2[pair.w]));
  }
  return mat2x4(dyFour(at), dyFour(rows + (s.second.x * (O * OH) + s.second.y) * OW + s.second.z));
}
