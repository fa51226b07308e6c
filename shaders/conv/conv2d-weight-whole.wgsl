// Where conv2d-weight.wgsl puts its sums when they are whole: dw [O, CG, KH, KW] and db [O].

@group(0) @binding(1) var<storage, read_write> dw: array<f32>;
@group(0) @binding(5) var<storage, read_write> db: array<f32>;

fn put(first: u32, m: u32, k: u32, value: f32) {
  let K = CG * KH * KW;
  if ((m < OG) & (k < K)) { dw[(first + m) * K + k] = value; }
  if ((m < OG) & (k == K)) { db[first + m] = value; }
}
