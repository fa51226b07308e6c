// y[k] = scale * sum over r of x[k, r], for kept positions k and reduced positions r of up to three axes each.
// Axes: kept K0 x K1 x K2 with steps SK0, SK1, SK2; reduced R0 x R1 x R2 with steps SR0, SR1, SR2.
// Long sums go in two stages: `partial` sums CHUNK terms per invocation, `combine` adds the PARTS partial sums in order.

override K1: u32;
override K2: u32;
override SK0: u32;
override SK1: u32;
override SK2: u32;
override R1: u32;
override R2: u32;
override SR0: u32;
override SR1: u32;
override SR2: u32;
override KEPT: u32;     // K0 * K1 * K2
override REDUCED: u32;  // R0 * R1 * R2
override CHUNK: u32;
override PARTS: u32;
override scale: f32;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(0) var<storage, read> partial: array<f32>;

fn base(k: u32) -> u32 {
  return (k / (K1 * K2)) * SK0 + ((k / K2) % K1) * SK1 + (k % K2) * SK2;
}

fn total(k: u32, first: u32, last: u32) -> f32 {
  let at = base(k);
  var sum = 0.0;
  for (var r = first; r < last; r++) {
    sum += x[at + (r / (R1 * R2)) * SR0 + ((r / R2) % R1) * SR1 + (r % R2) * SR2];
  }
  return sum;
}

// One invocation per (kept position, part): y holds KEPT x PARTS partial sums; with PARTS = 1 it is the result.
@compute @workgroup_size(64)
fn sum(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
       @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= KEPT * PARTS) { return; }
  let first = (i % PARTS) * CHUNK;
  let s = total(i / PARTS, first, min(first + CHUNK, REDUCED));
  y[i] = select(s, s * scale, PARTS == 1u);
}

@compute @workgroup_size(64)
fn combine(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
  let k = (wg.y * n.x + wg.x) * 64u + lane;
  if (k >= KEPT) { return; }
  var sum = 0.0;
  for (var p = 0u; p < PARTS; p++) { sum += partial[k * PARTS + p]; }
  y[k] = sum * scale;
}
