// Operands of a convolution's products for matmul-quad.wgsl: four ks after four are read as any four are.

fn aRun(z: u32, m: u32, k: u32) -> vec4<u32> {
  return aStart(z, m);
}

fn bRun(z: u32, n: u32, k: u32) -> Columns {
  return bStart(z, n);
}

fn aNext(run: ptr<function, vec4<u32>>, k: u32) -> mat4x4<f32> {
  return aBlock(*run, k);
}

fn bNext(run: ptr<function, Columns>, k: u32) -> mat4x4<f32> {
  return bBlock(*run, k);
}
