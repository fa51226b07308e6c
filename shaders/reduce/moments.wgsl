// Moments of each row of x: mean[k], variance[k] = mean of (x - mean)², rstd[k] = 1 / sqrt(variance + eps).
// Every element is read once: moments of units and of parts are joined in order (Chan, Golub, LeVeque, 1983).
// Needs row-kernels.wgsl, reduction-functions.wgsl and `store`, which tracked-moments.wgsl or src/kernels/reduce/moments.ts defines.

override eps: f32;

@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;

// Mean, sum of squared distances and number of elements of two sets together.
fn join(all: vec3<f32>, piece: vec2<f32>, size: f32) -> vec3<f32> {
  let distance = piece.x - all.x;
  let share = size / max(all.z + size, 1.0);  // two parts that the row does not reach have no elements
  // In brackets, since the square of a large distance is infinite, and that times 0 is NaN.
  return vec3(all.x + distance * share, all.y + piece.y + distance * (distance * all.z * share), all.z + size);
}

// Mean of a part, and the sum of squared distances from it. Runs of R2 contiguous elements are walked without dividing, since
// integer division is expensive.
fn partOf(k: u32, part: u32) -> vec2<f32> {
  let at = keptIndex(k);
  var all = vec3<f32>();
  for (var r = part; r < REDUCED / UNIT;) {
    let first = r % (R2 / UNIT);
    let run = at + reducedIndex((r - first) * UNIT);
    var i = first;
    for (; i < R2 / UNIT; i += PARTS) {
      let v = valuesAt(run + i * UNIT * SR2);
      let middle = dot(v, vec4(1.0)) / f32(UNIT);
      let d = select(vec4(0.0), v - middle, UNIT == 4u);
      all = join(all, vec2(middle, dot(d, d)), f32(UNIT));
    }
    r += i - first;
  }
  return all.xy;
}

fn storeMoments(k: u32, m: vec2<f32>) {
  // Said by bits: of a row of one value a compiler makes 0, whatever the value is.
  let isFinite = (bitcast<u32>(m.x) & 0x7f800000u) != 0x7f800000u;
  let v = bitcast<f32>(select(0x7fc00000u, bitcast<u32>(m.y / f32(REDUCED)), isFinite));
  mean[k] = m.x;
  variance[k] = v;
  rstd[k] = 1.0 / sqrt(v + eps);
}
