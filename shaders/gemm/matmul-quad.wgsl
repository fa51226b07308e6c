// Matrix product for adapters where loads are dear and lanes run in lockstep: no workgroup memory, no barriers. The
// four lanes of a quad each load four of sixteen rows of A and swap them, so that every lane has all sixteen.
// Needs `tile` of matmul-pairs.wgsl or conv2d-quad.wgsl: 16 rows x 4 columns of y per lane, whose block p has the rows of
// the lane with this one's number XOR p in the quad.
enable subgroups;

override LANES: u32;  // the adapter's subgroup size, a multiple of 4

@compute @workgroup_size(LANES)
fn quad(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  let m = part.tileM * 16u;
  let n = (part.tileN * LANES + lane) * 4u;
  var t = tile(part, m + q * 4u, n);
  for (var e = 0u; e < 16u * part.one; e++) {
    putRow(part.y, m + (q ^ (e / 4u)) * 4u + e % 4u, n, t[0][0]);
    t = shifted(t);
  }
}

@compute @workgroup_size(LANES)
fn quadVector(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
              @builtin(subgroup_invocation_id) lane: u32) {
  let part = partOf(wg, groups);
  let q = lane % 4u;
  let m = part.tileM * 16u;
  let n = (part.tileN * LANES + lane) * 4u;
  var t = tile(part, m + q * 4u, n);
  for (var e = 0u; e < 16u * part.one; e++) {
    putRow4(part.y, m + (q ^ (e / 4u)) * 4u + e % 4u, n, t[0][0]);
    t = shifted(t);
  }
}
