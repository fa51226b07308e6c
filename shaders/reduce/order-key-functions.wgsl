// Fragment: values of any dtype as u32 that are ordered as the values are. Comparing keys loses no NaN.

override DTYPE: u32;  // 0: f32, 1: i32, 2: u32

// The key of a value by its bits, larger for larger values. -0 equals 0; all NaN are equal and larger than every number.
fn orderKey(bits: u32) -> u32 {
  if (DTYPE == 2u) { return bits; }
  if (DTYPE == 1u) { return bits ^ 0x80000000u; }
  let magnitude = bits & 0x7fffffffu;
  let key = select(bits | 0x80000000u, ~bits, bits > 0x80000000u);
  return select(key, 0xffffffffu, magnitude > 0x7f800000u);
}
