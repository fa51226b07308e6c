// FRAGMENT: operand A of conv-weight-operands-fragment.wgsl, see gemm-fragment.wgsl, where relu and a 2 x 2 max-pool follow the
// convolution: its gradient is dy [N, O, PH, PW] at the position that won the window (its argmax index is in `code`), zero
// elsewhere. Blocks go through output positions window by window, four to each; the subgroup tile row by row.

override PH: u32;
override PW: u32;

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> code: array<u32>;

// The four positions of window k / 4.
fn positionsOf(k: u32) -> Positions {
  let p = min(k, DEPTH - 1u) / 4u;
  return Positions(vec4(p / (PH * PW)), p / PW % PH * 2u + vec4(0u, 0u, 1u, 1u), p % PW * 2u + vec4(0u, 1u, 0u, 1u));
}

// Where channels m … m + 3 of the first image begin.
alias Rows = vec4<u32>;

fn rowsOf(z: u32, m: u32) -> Rows {
  return min(m + STEPS, vec4(OG - 1u)) * (PH * PW);
}

fn aBlock(z: u32, rows: Rows, k: u32) -> mat4x4<f32> {
  let p = min(k, DEPTH - 1u) / 4u;
  let at = rows + p / (PH * PW) * ((O - 1u) * PH * PW) + p;
  let inside = k < DEPTH;
  return mat4x4(window(at.x, inside), window(at.y, inside), window(at.z, inside), window(at.w, inside));
}

fn window(at: u32, inside: bool) -> vec4<f32> {
  return select(vec4<f32>(), vec4(dy[at]), (vec4(code[at]) == STEPS) & vec4(inside));
}

// Two positions side by side lie in one window.
fn aPair(z: u32, rows: Rows, s: Steps) -> mat2x4<f32> {
  let at = rows + (s.first.x * (O * PH) + (s.first.y >> 1u)) * PW + (s.first.z >> 1u);
  let codes = vec4(code[at.x], code[at.y], code[at.z], code[at.w]);
  let gradients = vec4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
  let left = vec4((s.first.y & 1u) * 2u);
  return mat2x4(select(vec4<f32>(), gradients, codes == left), select(vec4<f32>(), gradients, codes == left + 1u));
}
