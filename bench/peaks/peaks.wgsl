// Limits of an adapter: long chains of independent multiply-adds, and plain copies. Each entry point is one way to write the
// same work; the fastest one counts. COUNT: vec4s of the copy. ROUNDS: iterations of the arithmetic loop.
override ROUNDS: u32;
override COUNT: u32;

@group(0) @binding(0) var<storage, read> src: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> dst: array<vec4f>;

// 32 multiply-adds per iteration, in 8 chains.
@compute @workgroup_size(64)
fn scalars(@builtin(global_invocation_id) id: vec3u) {
  let a = src[0].x;
  let b = src[0].y;
  var s0 = f32(id.x); var s1 = 1.0; var s2 = 2.0; var s3 = 3.0;
  var s4 = 4.0; var s5 = 5.0; var s6 = 6.0; var s7 = 7.0;
  for (var i = 0u; i < ROUNDS; i++) {
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b; s3 = s3 * a + b;
    s4 = s4 * a + b; s5 = s5 * a + b; s6 = s6 * a + b; s7 = s7 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b; s3 = s3 * a + b;
    s4 = s4 * a + b; s5 = s5 * a + b; s6 = s6 * a + b; s7 = s7 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b; s3 = s3 * a + b;
    s4 = s4 * a + b; s5 = s5 * a + b; s6 = s6 * a + b; s7 = s7 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b; s2 = s2 * a + b; s3 = s3 * a + b;
    s4 = s4 * a + b; s5 = s5 * a + b; s6 = s6 * a + b; s7 = s7 * a + b;
  }
  dst[id.x] = vec4f(s0 + s4, s1 + s5, s2 + s6, s3 + s7);
}

// The same with fma().
@compute @workgroup_size(64)
fn scalarsFma(@builtin(global_invocation_id) id: vec3u) {
  let a = src[0].x;
  let b = src[0].y;
  var s0 = f32(id.x); var s1 = 1.0; var s2 = 2.0; var s3 = 3.0;
  var s4 = 4.0; var s5 = 5.0; var s6 = 6.0; var s7 = 7.0;
  for (var i = 0u; i < ROUNDS; i++) {
    for (var j = 0; j < 4; j++) {
      s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
      s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
    }
  }
  dst[id.x] = vec4f(s0 + s4, s1 + s5, s2 + s6, s3 + s7);
}

// 32 multiply-adds per iteration, in 2 chains of vec4s.
@compute @workgroup_size(64)
fn vectors(@builtin(global_invocation_id) id: vec3u) {
  let a = vec4f(src[0].x);
  let b = vec4f(src[0].y);
  var s0 = vec4f(f32(id.x), 1, 2, 3);
  var s1 = vec4f(4, 5, 6, 7);
  for (var i = 0u; i < ROUNDS; i++) {
    s0 = s0 * a + b; s1 = s1 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b;
    s0 = s0 * a + b; s1 = s1 * a + b;
  }
  dst[id.x] = s0 + s1;
}

@compute @workgroup_size(256)
fn copyOne(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * grid.x + group.x) * 256 + local;
  if (i < COUNT) { dst[i] = src[i]; }
}

// Copies one vec4 in each quarter of the array.
@compute @workgroup_size(256)
fn copyFour(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * grid.x + group.x) * 256 + local;
  let quarter = COUNT / 4;
  if (i < quarter) {
    let a = src[i];
    let b = src[i + quarter];
    let c = src[i + 2 * quarter];
    let d = src[i + 3 * quarter];
    dst[i] = a;
    dst[i + quarter] = b;
    dst[i + 2 * quarter] = c;
    dst[i + 3 * quarter] = d;
  }
}

// Copies eight neighbouring vec4s.
@compute @workgroup_size(256)
fn copyRun(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = 8 * ((group.y * grid.x + group.x) * 256 + local);
  if (i < COUNT) {
    let a = src[i]; let b = src[i + 1]; let c = src[i + 2]; let d = src[i + 3];
    let e = src[i + 4]; let f = src[i + 5]; let g = src[i + 6]; let h = src[i + 7];
    dst[i] = a; dst[i + 1] = b; dst[i + 2] = c; dst[i + 3] = d;
    dst[i + 4] = e; dst[i + 5] = f; dst[i + 6] = g; dst[i + 7] = h;
  }
}
