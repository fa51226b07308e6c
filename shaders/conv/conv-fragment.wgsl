// FRAGMENT of GEMM kernels, see gemm-fragment.wgsl: what the operands of all convolutions share. Group z of channels is a
// product of its own. A convolution reads an image [N, C, H, W], of which a group has CG channels; O channels of the
// result, or of dy for the weight gradient, of which a group has OG, lie on OH x OW output positions.

override N: u32;
override C: u32;
override H: u32;
override W: u32;
override O: u32;
override CG: u32;
override OG: u32;
override KH: u32;
override KW: u32;
override strideY: u32;
override strideX: u32;
override padTop: u32;
override padLeft: u32;
override dilationY: u32;
override dilationX: u32;
override GROUPS: u32;
override DEPTH: u32;    // K of the product
override PARTS: u32;    // the sum is cut into PARTS parts of CHUNK k steps
override CHUNK: u32;
override TILES_M: u32;
override TILES_N: u32;

// The group's first channel of the result; of the weight gradient also where the part begins, see its `store`.
alias Destination = u32;

fn workOf(wg: vec3<u32>, groups: vec3<u32>) -> Work {
  let g = wg.y * groups.x + wg.x;
  let tile = g % (TILES_M * TILES_N);
  let rest = g / (TILES_M * TILES_N);
  let z = rest % GROUPS;
  let part = rest / GROUPS;
  // Workgroups beyond the last get a tile below the last row, which stores nothing.
  let tileM = select(tile / TILES_N, TILES_M, part >= PARTS);
  let first = part * CHUNK;
  return Work(z, tileM, tile % TILES_N, first, min(first + CHUNK, DEPTH) * groups.z,
              part * (O * CG * KH * KW + O) + z * OG, groups.z);
}

// Output positions, four at a time.
struct Positions {
  image: vec4<u32>,
  row: vec4<u32>,
  column: vec4<u32>,
}
