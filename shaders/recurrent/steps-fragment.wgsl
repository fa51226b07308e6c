// FRAGMENT: sizes of sequences [N, T, H] and which of their steps count. Needs special-functions.wgsl.

override N: u32;
override T: u32;
override H: u32;
override LENGTHS: u32;  // dtype of the samples' lengths: 1 i32, 2 f32; 0: all T steps count

// Whether t < T is a step of a sample with the length `bits`.
fn isStep(bits: u32, t: u32) -> bool {
  if (LENGTHS == 1u) { return i32(t) < bitcast<i32>(bits); }
  if (LENGTHS == 2u) { return lessThan(f32(t), bitcast<f32>(bits)); }
  return true;
}
