// Where conv2d-weight.wgsl puts its sums when they are parts of sums: partial [PARTS, O CG KH KW + O], weights and then
// biases. conv2d-combine.wgsl adds them up.

@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

fn put(first: u32, m: u32, k: u32, value: f32) {
  let K = CG * KH * KW;
  let group = first % (O * K + O);
  let at = first - group + select(O * K + group + m, (group + m) * K + k, k < K);
  if ((m < OG) & (k <= K)) { partial[at] = value; }
}
