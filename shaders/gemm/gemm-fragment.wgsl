// FRAGMENT. The interface between the parts of a GEMM kernel, and what all of them share.
//
// A kernel of the family is this file and three more, joined by `gemmShader` of src/kernels/gemm/tiles.ts:
//   tile      the entry point: which part of the result an invocation sums, and through which memory operands come
//   operands  what A and B are: matrices, or views of images that are never laid out as matrices
//   result    what happens to finished sums (bias, activation, …) and where they go
//
// It computes result[z] = A[z] * B[z] for each z, with A of M x K and B of K x N.
//
// The operands provide:
//   fn workOf(wg: vec3<u32>, groups: vec3<u32>) -> Work     what workgroup `wg` of `groups` computes
//   Rows, fn rowsOf(z: u32, m: u32) -> Rows                 where rows m … m + 3 of A[z] are
//   Columns, fn columnsOf(z: u32, n: u32) -> Columns        where columns n … n + 3 of B[z] are
// for the register and shared-memory tiles:
//   fn aBlock(z: u32, rows: Rows, k: u32) -> mat4x4<f32>        one row of A per column of the result, over k … k + 3
//   fn bBlock(z: u32, columns: Columns, k: u32) -> mat4x4<f32>  one k step per column of the result, over four columns of B
// so that bBlock * aBlock is a block of the product, one row of it per column; and for the subgroup tile:
//   Counter, fn counterFrom(k: u32) -> Counter, fn counterAfter(c: Counter, k: u32) -> Counter
//                                                           what the loop carries from one k step to the next
//   Steps, fn stepsOf(c: Counter, k: u32) -> Steps          where k and k + 1 are; at an odd end the last k step twice
//   fn aPair(z: u32, rows: Rows, s: Steps) -> mat2x4<f32>       one k step per column of the result, over four rows of A
//   fn bPair(z: u32, columns: Columns, s: Steps) -> mat2x4<f32> one k step per column of the result, over four columns of B
// Rows and columns outside of the matrices repeat the last one; their sums are dropped. Blocks are zero from K on, in both
// operands: zero in one alone would turn an infinity in the other into NaN.
//
// The result provides:
//   Destination                                             what workOf says of where results go
//   fn store(d: Destination, m: u32, n: u32, sums: vec4<f32>)  takes columns n … n + 3 of row m, drops those outside

override K_TAIL: bool;       // K is not a multiple of the tile's steps
override TRANSPOSE_A: bool;  // rows of A, not k, are contiguous in memory; tells shared-memory tiles how to load
override TRANSPOSE_B: bool;  // k, not columns of B, is contiguous in memory

const STEPS = vec4<u32>(0u, 1u, 2u, 3u);

// What a workgroup computes.
struct Work {
  z: u32,
  tileM: u32,  // in tiles from the first row
  tileN: u32,
  first: u32,  // sums run over k steps first … last - 1
  last: u32,
  to: Destination,
  // num_workgroups.z, which is 1, but compilers do not know it: a loop whose bound is multiplied by it is not unrolled.
  // Unrolled, loops of memory accesses take software adapters seconds to compile.
  one: u32,
}

// Four blocks of 4 x 4 results, as each tile arranges them; one row of results per column of a block.
alias Tile = array<mat4x4<f32>, 4>;

// `t` with every row moved one place up, so that a loop can store row after row without indexing.
fn shifted(t: Tile) -> Tile {
  return Tile(mat4x4(t[0][1], t[0][2], t[0][3], t[1][0]), mat4x4(t[1][1], t[1][2], t[1][3], t[2][0]),
              mat4x4(t[2][1], t[2][2], t[2][3], t[3][0]), mat4x4(t[3][1], t[3][2], t[3][3], t[3][3]));
}
