// Fragment: f32 to integers. Cut off towards 0; beyond the range its end; NaN gives 0. WGSL's own conversion leaves NaN open.
// Needs special-functions.wgsl.

fn i32Of(v: f32) -> i32 {
  let inside = i32(clamp(v, -2147483648.0, 2147483520.0));
  return select(select(inside, 2147483647, v >= 2147483648.0), 0, isNan(v));
}

fn u32Of(v: f32) -> u32 {
  let inside = u32(clamp(v, 0.0, 4294967040.0));
  return select(select(inside, 4294967295u, v >= 4294967296.0), 0u, isNan(v));
}
