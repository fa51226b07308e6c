// y[c0, c1, c2, c3, c4, c5] = x[c0 * S0 + c1 * S1 + c2 * S2 + c3 * S3 + c4 * S4 + c5 * S5]
// y: D0 x … x D5 (axes that stay together are merged, missing ones are 1). Words are moved as they are, of any dtype.

override D1: u32;
override D2: u32;
override D3: u32;
override D4: u32;
override D5: u32;
override S0: u32;
override S1: u32;
override S2: u32;
override S3: u32;
override S4: u32;
override S5: u32;
override SIZE: u32;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

// Four elements per invocation, 64 apart, so that neighbours write neighbouring words.
@compute @workgroup_size(64)
fn permute(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let first = (wg.y * n.x + wg.x) * 256u + lane;
  for (var j = 0u; j < 4u; j++) {
    let e = first + j * 64u;
    if (e >= SIZE) { return; }
    let r5 = e / D5;
    let r4 = r5 / D4;
    let r3 = r4 / D3;
    let r2 = r3 / D2;
    let r1 = r2 / D1;
    y[e] = x[r1 * S0 + (r2 % D1) * S1 + (r3 % D2) * S2 + (r4 % D3) * S3 + (r5 % D4) * S4 + (e % D5) * S5];
  }
}
