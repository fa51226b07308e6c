// FRAGMENT: each invocation has a row of its own. row-per-workgroup-fragment.wgsl provides the same names.

override LANES: u32;  // invocations per workgroup

const STEP = 1u;     // distance of the units of a row that an invocation reads
const BLOCK = 128u;  // terms that are added one after another

fn rowOf(group: u32, invocation: u32) -> u32 { return group * LANES + invocation; }

// Number of an invocation among those that share its row.
fn laneOf(invocation: u32) -> u32 { return 0u; }

// Sums over the invocations that share a row.
fn rowSums(lane: u32, own: vec2<f32>) -> vec2<f32> { return own; }
