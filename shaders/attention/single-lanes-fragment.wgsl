// FRAGMENT of attention: every lane loads what it needs.

override LANES: u32;

const TILED = false;
const QUADS = false;

fn quadLane(lane: u32) -> u32 { return 0u; }
fn spread(m: mat4x4<f32>) -> Blocks { return Blocks(m, m, m, m); }
fn sync() {}
fn put(at: u32, value: vec4<f32>) {}
fn tileAt(at: u32) -> vec4<f32> { return vec4<f32>(); }
