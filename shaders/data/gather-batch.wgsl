// The batch of a step, gathered from a data set on the device. With s(b) the sample of row b:
//   x[b, :] = inputs[s(b), :] * scale + offset    y[b, :] = targets[s(b), :]    weights[b] = 1
// Rows past the end of the data start again at its first sample, with weights[b] = 0. Needs batch-row-fragment.wgsl.
// inputs: SLOTS x SHARD x SIZE bytes, four to a word, or floats; or whole numbers, which are not scaled   targets: SLOTS x SHARD x TARGET words   x [B, SIZE]
// LANES invocations share a row, so that the permutation is computed LANES times per row instead of SIZE times.

override SIZE: u32;
override TARGET: u32;
override FLOATS: bool;
override CHANNELS: u32;  // 1: one scale and offset; else `channels` holds them per channel
override PLANE: u32;     // SIZE / CHANNELS
override scale: f32;
override offset: f32;
override LANES: u32;

@group(0) @binding(0) var<storage, read> inputs: array<u32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> step: array<u32>;
@group(0) @binding(3) var<storage, read> key: array<u32>;
@group(0) @binding(4) var<storage, read> channels: array<f32>;  // scales [CHANNELS], offsets [CHANNELS]
@group(0) @binding(5) var<storage, read_write> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> x4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> words: array<u32>;
@group(0) @binding(6) var<storage, read_write> y: array<u32>;
@group(0) @binding(7) var<storage, read_write> weights: array<f32>;

struct Row {
  row: u32,
  lane: u32,
  sample: u32,
}

// The row, lane and sample of invocation i. The first lane of a row also writes its weight, all its lanes the targets.
fn begin(i: u32) -> Row {
  let row = i / LANES;
  let lane = i % LANES;
  let r = rowOf(row, step[0], key[0], key[1]);
  if (lane == 0u) { weights[row] = select(0.0, 1.0, r.counts); }
  for (var j = lane; j < TARGET; j += LANES) { y[row * TARGET + j] = targets[r.sample * TARGET + j]; }
  return Row(row, lane, r.sample);
}

fn scaled(value: f32, j: u32) -> f32 {
  if (CHANNELS == 1u) { return value * scale + offset; }
  return value * channels[j / PLANE] + channels[CHANNELS + j / PLANE];
}

fn scaled4(value: vec4<f32>, j: u32) -> vec4<f32> {
  if (CHANNELS == 1u) { return value * scale + offset; }
  return vec4(scaled(value.x, j), scaled(value.y, j + 1u), scaled(value.z, j + 2u), scaled(value.w, j + 3u));
}

fn load(at: u32) -> f32 {
  if (FLOATS) { return bitcast<f32>(inputs[at]); }
  return f32(extractBits(inputs[at / 4u], 8u * (at % 4u), 8u));
}

fn load4(at4: u32) -> vec4<f32> {
  if (FLOATS) {
    let at = 4u * at4;
    return bitcast<vec4<f32>>(vec4(inputs[at], inputs[at + 1u], inputs[at + 2u], inputs[at + 3u]));
  }
  return vec4<f32>((vec4(inputs[at4]) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u));
}

// SIZE a multiple of four.
@compute @workgroup_size(64)
fn vector(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= B * LANES) { return; }
  let r = begin(i);
  for (var j = r.lane; j < SIZE / 4u; j += LANES) {
    x4[r.row * (SIZE / 4u) + j] = scaled4(load4(r.sample * (SIZE / 4u) + j), 4u * j);
  }
}

@compute @workgroup_size(64)
fn scalar(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= B * LANES) { return; }
  let r = begin(i);
  for (var j = r.lane; j < SIZE; j += LANES) {
    x[r.row * SIZE + j] = scaled(load(r.sample * SIZE + j), j);
  }
}

// Whole numbers.
@compute @workgroup_size(64)
fn whole(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
  let i = id.y * n.x * 64u + id.x;
  if (i >= B * LANES) { return; }
  let r = begin(i);
  for (var j = r.lane; j < SIZE; j += LANES) { words[r.row * SIZE + j] = inputs[r.sample * SIZE + j]; }
}
