// The tiles of matmul-quad.wgsl and, for edges that would leave most of a tile empty, blocks of 4 x 4 per lane: the lanes
// of a quad load together what they have in common.

fn spread(v: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(quadBroadcast(v, 0u), quadBroadcast(v, 1u), quadBroadcast(v, 2u), quadBroadcast(v, 3u));
}

fn rightBlock(part: Part, m: u32, n: u32, q: u32) -> mat4x4<f32> {
  var rows = aRun(part.z, m, part.first);
  let columns = Run(bStart(part.z, n), mat4x4<f32>());
  let whole = wholeSteps(part);
  var t = mat4x4<f32>();
  for (var k = part.first; k < whole; k += 4u) { t += spread(bShare(columns, k, q)) * aNext(&rows, k); }
  if (TAIL) {
    for (var k = whole; k < part.last; k++) { t += outer(bOne(columns, k), aOne(rows, k)); }
  }
  return t;
}

fn belowBlock(part: Part, m: u32, n: u32, q: u32) -> mat4x4<f32> {
  let rows = Run(aStart(part.z, m), mat4x4<f32>());
  var columns = bRun(part.z, n, part.first);
  let whole = wholeSteps(part);
  var t = mat4x4<f32>();
  for (var k = part.first; k < whole; k += 4u) { t += bNext(&columns, k) * spread(aShare(rows, k, q)); }
  if (TAIL) {
    for (var k = whole; k < part.last; k++) { t += outer(bOne(columns, k), aOne(rows, k)); }
  }
  return t;
}

@compute @workgroup_size(LANES)
fn edges(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  if (part.kind == TILE) {
    let m = part.tileM * 16u;
    let n = (part.tileN * LANES + lane) * 4u;
    var t = tile(part, m + q * 4u, n);
    for (var e = 0u; e < 16u * part.one; e++) {
      putRow(part.y, m + (q ^ (e / 4u)) * 4u + e % 4u, n, t[0][0]);
      t = shifted(t);
    }
    return;
  }
  let at = edgeBlock(part, lane);
  var t = mat4x4<f32>();
  if (part.kind == RIGHT) { t = rightBlock(part, at.x, at.y, q); } else { t = belowBlock(part, at.x, at.y, q); }
  putRow(part.y, at.x, at.y, t[0]);
  putRow(part.y, at.x + 1u, at.y, t[1]);
  putRow(part.y, at.x + 2u, at.y, t[2]);
  putRow(part.y, at.x + 3u, at.y, t[3]);
}

@compute @workgroup_size(LANES)
fn edgesVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
               @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  if (part.kind == TILE) {
    let m = part.tileM * 16u;
    let n = (part.tileN * LANES + lane) * 4u;
    var t = tile(part, m + q * 4u, n);
    for (var e = 0u; e < 16u * part.one; e++) {
      putRow4(part.y, m + (q ^ (e / 4u)) * 4u + e % 4u, n, t[0][0]);
      t = shifted(t);
    }
    return;
  }
  let at = edgeBlock(part, lane);
  var t = mat4x4<f32>();
  if (part.kind == RIGHT) { t = rightBlock(part, at.x, at.y, q); } else { t = belowBlock(part, at.x, at.y, q); }
  putRow4(part.y, at.x, at.y, t[0]);
  putRow4(part.y, at.x + 1u, at.y, t[1]);
  putRow4(part.y, at.x + 2u, at.y, t[2]);
  putRow4(part.y, at.x + 3u, at.y, t[3]);
}
