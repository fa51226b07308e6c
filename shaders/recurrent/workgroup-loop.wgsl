// Fragment with an entry point, for recurrence-fragment.wgsl or recurrence-backward-fragment.wgsl: all steps in one dispatch, for
// adapters with cheap barriers. A workgroup takes four samples, whose rows of A it keeps in workgroup memory; an invocation
// computes one unit or, where there are more units than invocations, several one after another.

override LANES: u32;
override PADDED: u32 = (INNER + 3u) / 4u * 4u;

var<workgroup> rows: array<vec4<f32>, PADDED>;  // four samples per element

fn keepRow(n: u32, i: u32, v: f32) {}

// Sums of unit j, one per column, over four samples.
fn sumsOf(j: u32) -> mat4x4<f32> {
  var t = mat4x4<f32>();
  for (var k = 0u; k < INNER; k += 4u) {
    let a = mat4x4(rows[k], rows[k + 1u], rows[k + 2u], rows[k + 3u]);
    t[0] += a * bBlock(j, 0u, k);
    if (SUMS > 1u) {
      t[1] += a * bBlock(j, 1u, k);
      t[2] += a * bBlock(j, 2u, k);
    }
    if (SUMS > 3u) { t[3] += a * bBlock(j, 3u, k); }
  }
  return t;
}

@compute @workgroup_size(LANES)
fn workgroupLoop(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) lane: u32) {
  let first = (wg.y * groups.x + wg.x) * 4u;
  let own = min(first + vec4(0u, 1u, 2u, 3u), vec4(N - 1u));
  let samples = min(first + 4u, N);
  for (var n = first; n < samples; n++) {
    for (var j = lane; j < H; j += LANES) { begin(n, j); }
  }
  for (var s = 0u; s < SWEEPS; s++) {
    storageBarrier();
    if (hasProduct(s)) {
      let at = vec4(aRow(own.x, s), aRow(own.y, s), aRow(own.z, s), aRow(own.w, s));
      for (var k = lane; k < PADDED; k += LANES) {
        var v = vec4<f32>();
        if (k < INNER) { v = vec4(aAt(at.x + k), aAt(at.y + k), aAt(at.z + k), aAt(at.w + k)); }
        rows[k] = v;
      }
    }
    workgroupBarrier();
    for (var j = lane; j < H; j += LANES) {
      var t = mat4x4<f32>();
      if (hasProduct(s)) { t = transpose(sumsOf(j)); }
      for (var n = first; n < samples; n++) {
        advance(n, s, j, t[0]);
        t = mat4x4(t[1], t[2], t[3], t[0]);
      }
    }
  }
}
