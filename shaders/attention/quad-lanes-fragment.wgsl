// FRAGMENT of attention, for adapters where barriers are expensive: a workgroup is one subgroup, and the four lanes of a quad each
// load four of 16 rows and exchange them.
enable subgroups;

override LANES: u32;  // the adapter's subgroup size, a multiple of 4

const TILED = false;
const QUADS = true;

fn quadLane(lane: u32) -> u32 { return lane % 4u; }

fn spread(m: mat4x4<f32>) -> Blocks {
  return Blocks(
    m,
    mat4x4(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3])),
    mat4x4(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3])),
    mat4x4(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3])),
  );
}

fn sync() {}
fn put(at: u32, value: vec4<f32>) {}
fn tileAt(at: u32) -> vec4<f32> { return vec4<f32>(); }
