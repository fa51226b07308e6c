// FRAGMENT of attention, for GPUs: the lanes of a workgroup load 16 rows together into workgroup memory.

override LANES: u32;
override TILE: u32;  // vec4s

const TILED = true;
const QUADS = false;

var<workgroup> tile: array<vec4<f32>, TILE>;

fn quadLane(lane: u32) -> u32 { return 0u; }
fn spread(m: mat4x4<f32>) -> Blocks { return Blocks(m, m, m, m); }
fn sync() { workgroupBarrier(); }
fn put(at: u32, value: vec4<f32>) { tile[at] = value; }
fn tileAt(at: u32) -> vec4<f32> { return tile[at]; }
