// The two sums that the gradient of a normalisation needs, for each row of x and dy, a row being the REDUCED elements of one kept
// position k:  sumDy[k] = sum of dy,  sumDyXhat[k] = sum of dy (x - mean[k]) rstd[k]
// Needs row-kernels.wgsl, reduction-functions.wgsl and two functions that src/kernels/norm/norm-sums.ts generates: gradientAt(e),
// the unit of dy at element e, and statsOf(k), mean and rstd.

@group(0) @binding(1) var<storage, read_write> sumDy: array<f32>;
@group(0) @binding(2) var<storage, read_write> sumDyXhat: array<f32>;

fn join(all: vec3<f32>, piece: vec2<f32>, size: f32) -> vec3<f32> {
  return vec3(all.xy + piece, size);
}

// Runs of R2 contiguous elements are walked without dividing, since integer division is expensive.
fn partOf(k: u32, part: u32) -> vec2<f32> {
  let at = keptIndex(k);
  let statistics = statsOf(k);
  var plain = vec4<f32>();
  var weighted = vec4<f32>();
  for (var r = part; r < REDUCED / UNIT;) {
    let first = r % (R2 / UNIT);
    let run = at + reducedIndex((r - first) * UNIT);
    var i = first;
    for (; i < R2 / UNIT; i += PARTS) {
      let e = run + i * UNIT * SR2;
      let d = gradientAt(e);
      plain += d;
      weighted += d * (valuesAt(e) - statistics.x);
    }
    r += i - first;
  }
  return vec2(dot(plain, vec4(1.0)), dot(weighted, vec4(1.0)) * statistics.y);
}

fn store(k: u32, s: vec2<f32>) {
  sumDy[k] = s.x;
  sumDyXhat[k] = s.y;
}
