// What updates over packed values share: COUNT values, four per invocation and turn; steps that only gather gradients;
// groups of parameters that go by their own weight decay and share of the learning rate.

override COUNT: u32;
override PER: u32;  // turns of each invocation
override EVERY: u32;  // an update happens at every EVERY-th step
override grouped: bool;
override weightDecay: f32;
override maximize: bool;

@group(0) @binding(20) var<storage, read> step: array<u32>;
// [2, COUNT] if grouped: weight decay and share of the learning rate of each value.
@group(0) @binding(21) var<storage, read> groups: array<vec4<f32>>;

// 1 once a parameter or its direction was NaN or infinite, until record.wgsl has told and reset it. All write the same.
@group(0) @binding(22) var<storage, read_write> alarm: array<u32>;

// The largest exponents that this invocation has watched: one test at the end costs less than one per vec4.
var<private> largest: vec4<u32>;

fn watch(v: vec4<f32>) { largest = max(largest, bitcast<vec4<u32>>(v) & vec4(0x7f800000u)); }

fn raiseAlarm() {
  if (any(largest == vec4(0x7f800000u))) { alarm[0] |= 1u; }
}

// True at steps after which no update is due.
fn gathers() -> bool { return (step[0] + 1u) % EVERY != 0u; }

// Number of updates before this one.
fn updatesBefore() -> u32 { return step[0] / EVERY; }

fn decayAt(i: u32) -> vec4<f32> {
  if (grouped) { return groups[i]; }
  return vec4(weightDecay);
}

fn rateAt(i: u32) -> vec4<f32> {
  if (grouped) { return groups[i + COUNT / 4u]; }
  return vec4(1.0);
}

// The direction to descend: ±g.
fn uphill(g: vec4<f32>) -> vec4<f32> { return select(g, -g, maximize); }

// beta old + (1 - beta) new, by the form that adds the smaller part: float32's beta and 1 - beta don't add up to 1.
fn blend(old: vec4<f32>, fresh: vec4<f32>, beta: f32, oneMinusBeta: f32) -> vec4<f32> {
  if (beta > 0.5) { return old + oneMinusBeta * (fresh - old); }
  return fresh - beta * (fresh - old);
}
