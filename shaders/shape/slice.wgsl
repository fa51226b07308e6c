// Copies between a region and a whole tensor, in words of 4 bytes. Element e of the region, walked in order over its
// axes D0 … D5, lies at BASE + sum of coordinate * S of the whole; steps may be negative.
//   readRegion:  y[e] = x[place(e)], y the region     writeRegion: y[place(e)] = x[e], x the region     fill: y[i] = VALUE
// Every invocation does four elements.

override D1: u32;
override D2: u32;
override D3: u32;
override D4: u32;
override D5: u32;
override S0: i32;
override S1: i32;
override S2: i32;
override S3: i32;
override S4: i32;
override S5: i32;
override BASE: i32;
override COUNT: u32;  // elements of the region; of the whole in fill
override VALUE: u32;  // bits

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

fn place(e: u32) -> u32 {
  var rest = e;
  var at = BASE + i32(rest % D5) * S5;
  rest /= D5;
  at += i32(rest % D4) * S4;
  rest /= D4;
  at += i32(rest % D3) * S3;
  rest /= D3;
  at += i32(rest % D2) * S2;
  rest /= D2;
  at += i32(rest % D1) * S1;
  return u32(at + i32(rest / D1) * S0);
}

@compute @workgroup_size(64)
fn readRegion(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
              @builtin(local_invocation_index) lane: u32) {
  let first = (wg.y * n.x + wg.x) * 256u + lane;
  for (var e = first; e < min(first + 256u, COUNT); e += 64u) { y[e] = x[place(e)]; }
}

@compute @workgroup_size(64)
fn writeRegion(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
               @builtin(local_invocation_index) lane: u32) {
  let first = (wg.y * n.x + wg.x) * 256u + lane;
  for (var e = first; e < min(first + 256u, COUNT); e += 64u) { y[place(e)] = x[e]; }
}

@compute @workgroup_size(64)
fn fill(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let first = (wg.y * n.x + wg.x) * 256u + lane;
  for (var i = first; i < min(first + 256u, COUNT); i += 64u) { y[i] = VALUE; }
}
