// Rotary position embedding: y is x [ROWS, COLUMNS] with pairs (e, e + E / 2) of the first HEADS heads, E columns each, turned by
// an angle of the row's position; the other columns are copied. The row of token t of a sequence of T has position t, or positions[row].
// table [P, E / 2]: (cos, sin)   positions [ROWS]

override COUNT: u32;
override COLUMNS: u32;
override T: u32;
override HEADS: u32;
override E: u32;
override P: u32;
override GIVEN: bool;
override INVERSE: bool;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> positions: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// One element per invocation. A position without a row in the table gives NaN.
@compute @workgroup_size(64)
fn rotary(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * n.x + wg.x) * 64u + lane;
  if (i >= COUNT) { return; }
  let row = i / COLUMNS;
  let column = i % COLUMNS;
  if (column >= HEADS * E) {
    y[i] = x[i];
    return;
  }
  let e = column % E;
  let half = E / 2u;
  let isFirst = e < half;
  var p = row % T;
  if (GIVEN) { p = u32(positions[row]); }
  if (p >= P) {
    y[i] = nan();
    return;
  }
  let turn = table[p * half + e % half];
  let other = x[select(i - half, i + half, isFirst)];
  y[i] = x[i] * turn.x + select(other, -other, isFirst != INVERSE) * turn.y;
}
