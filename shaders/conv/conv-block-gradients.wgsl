// The places of a convolution in the order of the 2 x 2 windows of the pool behind it, four to a window, or for
// conv2d-quad.wgsl row by row, and the gradient there: dy [N, O, PH, PW] where the window's code says, zero elsewhere. See
// conv2d-weight.wgsl.

override PH: u32;
override PW: u32;

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> code: array<u32>;

struct Places {
  image: vec4<u32>,
  row: vec4<u32>,
  column: vec4<u32>,
}

// The places of window p / 4; the last one again for windows over the edge.
fn placesOf(p: u32) -> Places {
  let q = min(p, PLACES - 1u) / 4u;
  return Places(vec4(q / (PH * PW)), q / PW % PH * 2u + vec4(0u, 0u, 1u, 1u), q % PW * 2u + vec4(0u, 1u, 0u, 1u));
}

// Where channels m … m + 3 of the first image begin; those over the edge are the last one again.
fn aStart(z: u32, m: u32) -> vec4<u32> {
  return min(m + STEPS, vec4(OG - 1u)) * (PH * PW);
}

// One channel per column, over the places of window p / 4; zero over the edge.
fn aBlock(start: vec4<u32>, p: u32) -> mat4x4<f32> {
  let q = min(p, PLACES - 1u) / 4u;
  let at = start + q / (PH * PW) * ((O - 1u) * PH * PW) + q;
  let inside = p < PLACES;
  return mat4x4(aColumn(at.x, inside), aColumn(at.y, inside), aColumn(at.z, inside), aColumn(at.w, inside));
}

fn aColumn(at: u32, inside: bool) -> vec4<f32> {
  return select(vec4<f32>(), vec4(dy[at]), (vec4(code[at]) == STEPS) & vec4(inside));
}

// One channel per row, over two places of a window that are side by side.
fn aPair(start: vec4<u32>, p: Pair) -> mat2x4<f32> {
  let at = start + (p.first.x * (O * PH) + (p.first.y >> 1u)) * PW + (p.first.z >> 1u);
  let codes = vec4(code[at.x], code[at.y], code[at.z], code[at.w]);
  let gradients = vec4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
  let left = vec4((p.first.y & 1u) * 2u);
  return mat2x4(select(vec4<f32>(), gradients, codes == left), select(vec4<f32>(), gradients, codes == left + 1u));
}
