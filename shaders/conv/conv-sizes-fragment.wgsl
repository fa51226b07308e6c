// FRAGMENT: sizes of a convolution for kernels outside the GEMM family. x [N, C, H, W], w [O, CG, KH, KW], y [N, O, OH, OW]; a
// group has CG of the C channels of x and OG of the O channels of y.

override N: u32;
override C: u32;
override H: u32;
override W: u32;
override O: u32;
override CG: u32;
override OG: u32;
override KH: u32;
override KW: u32;
override OH: u32;
override OW: u32;
override strideY: u32;
override strideX: u32;
override padTop: u32;
override padLeft: u32;
override dilationY: u32;
override dilationX: u32;
override PARTS: u32;  // the sum over images of the weight gradient is cut into PARTS parts of CHUNK images
override CHUNK: u32;
