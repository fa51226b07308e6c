// The places of dy [N, O, OH, OW] in the order of memory, and rows of dy: see conv2d-weight.wgsl.

override OH: u32;
override OW: u32;
override RAGGED: bool;  // the last step along the places goes over the edge

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> dy2: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> dy4: array<vec4<f32>>;

struct Places {
  image: vec4<u32>,
  row: vec4<u32>,
  column: vec4<u32>,
}

// Places p … p + 3; those over the edge are the last one again.
fn placesOf(p: u32) -> Places {
  if (OW % 4u == 0u) {
    let first = select(p, min(p, PLACES - 4u), RAGGED);
    return Places(vec4(first / (OH * OW)), vec4(first / OW % OH), first % OW + STEPS);
  }
  let q = min(p + STEPS, vec4(PLACES - 1u));
  return Places(q / (OH * OW), q / OW % OH, q % OW);
}

// Where channels m … m + 3 of the first image begin; those over the edge are the last one again.
fn aStart(z: u32, m: u32) -> vec4<u32> {
  return (z * OG + min(m + STEPS, vec4(OG - 1u))) * (OH * OW);
}

// One channel per column, over places p … p + 3; places over the edge are zero.
fn aBlock(start: vec4<u32>, p: u32) -> mat4x4<f32> {
  if (OH * OW % 4u == 0u) {
    if (RAGGED & (p >= PLACES)) { return mat4x4<f32>(); }
    let at = (start + p / (OH * OW) * ((O - 1u) * OH * OW) + p) / 4u;
    return mat4x4(dy4[at.x], dy4[at.y], dy4[at.z], dy4[at.w]);
  }
  let q = min(p + STEPS, vec4(PLACES - 1u));
  let at = q / (OH * OW) * ((O - 1u) * OH * OW) + q;
  let inside = p + STEPS < vec4(PLACES);
  return mat4x4(aColumn(start.x + at, inside), aColumn(start.y + at, inside),
                aColumn(start.z + at, inside), aColumn(start.w + at, inside));
}

fn aColumn(at: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
  return select(vec4<f32>(), vec4(dy[at.x], dy[at.y], dy[at.z], dy[at.w]), inside);
}

fn aPair(start: vec4<u32>, p: Pair) -> mat2x4<f32> {
  let at = start + (p.first.x * (O * OH) + p.first.y) * OW + p.first.z;
  if (OH * OW % 2u == 0u) {
    let pair = at >> vec4(1u);
    return transpose(mat4x2(dy2[pair.x], dy2[pair.y], dy2[pair.z], dy2[pair.w]));
  }
  let next = start + (p.second.x * (O * OH) + p.second.y) * OW + p.second.z;
  return mat2x4(aColumn(at, vec4(true)), aColumn(next, vec4(true)));
}
