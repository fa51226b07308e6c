// What the products of conv2d-forward.wgsl, conv2d-input.wgsl and conv2d-weight.wgsl hand to the tiles of
// matmul-quad.wgsl and matmul.wgsl beside their operands.

const STEPS = vec4<u32>(0u, 1u, 2u, 3u);

// The part of the work that a workgroup has.
struct Part {
  z: u32,      // group of channels
  tileM: u32,
  tileN: u32,
  first: u32,  // of what is summed over
  last: u32,
  y: u32,      // what putRow needs to know
  one: u32,    // 1
}

// Two ks, as conv2d-quad.wgsl takes them: for conv2d-weight.wgsl image, row and column of two places, else channel, row and
// column of two taps. What lies over the edge is the last one again.
struct Pair {
  first: vec3<u32>,
  second: vec3<u32>,
}

// Four blocks of 4 x 4, as each kernel arranges them.
alias Tile = array<mat4x4<f32>, 4>;

// `t` with every row moved one place up, so that a loop can write row after row without indexing.
fn shifted(t: Tile) -> Tile {
  return Tile(mat4x4(t[0][1], t[0][2], t[0][3], t[1][0]), mat4x4(t[1][1], t[1][2], t[1][3], t[2][0]),
              mat4x4(t[2][1], t[2][2], t[2][3], t[3][0]), mat4x4(t[3][1], t[3][2], t[3][3], t[3][3]));
}
