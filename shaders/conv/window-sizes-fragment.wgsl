// FRAGMENT: sizes of a convolution block of kernels outside the GEMM family. x [N, C, H, W], y and code [N, O, PH, PW].

struct Sizes {
  N: u32,
  C: u32,
  H: u32,
  W: u32,
  O: u32,
  PH: u32,
  PW: u32,
  padTop: u32,
  padLeft: u32,
}
@group(0) @binding(7) var<uniform> sizes: Sizes;
