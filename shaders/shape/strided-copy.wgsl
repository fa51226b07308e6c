// Copies between a tensor and a strided part of another one, as 4-byte words of any dtype. Element e of the part, in the order
// of loops of sizes D0 … D5, has the index BASE + sum of coordinate * stride S; strides may be negative.
//   readPart: y[e] = x[indexOf(e)]     writePart: y[indexOf(e)] = x[e]     fill: y[i] = VALUE
// Every invocation does four elements, 64 apart, so that neighbouring invocations access neighbouring words.

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
override COUNT: u32;  // elements of the part; in fill, of y
override VALUE: u32;  // the bits of the value

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

fn indexOf(e: u32) -> u32 {
  var rest = e;
  var index = BASE + i32(rest % D5) * S5;
  rest /= D5;
  index += i32(rest % D4) * S4;
  rest /= D4;
  index += i32(rest % D3) * S3;
  rest /= D3;
  index += i32(rest % D2) * S2;
  rest /= D2;
  index += i32(rest % D1) * S1;
  return u32(index + i32(rest / D1) * S0);
}

@compute @workgroup_size(64)
fn readPart(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
  let first = (wg.y * n.x + wg.x) * 256u + lane;
  for (var e = first; e < min(first + 256u, COUNT); e += 64u) { y[e] = x[indexOf(e)]; }
}

@compute @workgroup_size(64)
fn writePart(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
             @builtin(local_invocation_index) lane: u32) {
  let first = (wg.y * n.x + wg.x) * 256u + lane;
  for (var e = first; e < min(first + 256u, COUNT); e += 64u) { y[indexOf(e)] = x[e]; }
}

@compute @workgroup_size(64)
fn fill(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let first = (wg.y * n.x + wg.x) * 256u + lane;
  for (var i = first; i < min(first + 256u, COUNT); i += 64u) { y[i] = VALUE; }
}
