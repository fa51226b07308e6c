// Rows of a column of a data set: y[b, :] = data[rows[b], :], words as they are, or numbers as value * scale + offset.
// data: rows of SIZE bytes, four to a word with the first one lowest, or of SIZE words   rows [B]   y [B, SIZE]

override SIZE: u32;
override B: u32;
override BYTES: bool;
override scale: f32;
override offset: f32;

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read_write> numbers: array<f32>;

fn load(i: u32) -> u32 {
  let at = rows[i / SIZE] * SIZE + i % SIZE;
  if (BYTES) { return extractBits(data[at / 4u], 8u * (at % 4u), 8u); }
  return data[at];
}

// One word per invocation: the bits of 32-bit values, or bytes as whole numbers.
@compute @workgroup_size(64)
fn words(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= B * SIZE) { return; }
  y[i] = load(i);
}

// One number per invocation.
@compute @workgroup_size(64)
fn scaled(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= B * SIZE) { return; }
  let word = load(i);
  numbers[i] = select(bitcast<f32>(word), f32(word), BYTES) * scale + offset;
}
