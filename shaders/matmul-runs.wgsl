// Operands of matmul-quad.wgsl, read four ks after four: rows that lie along k and begin anywhere are read as vec4 too,
// each of which is joined with the one before. Goes with matmul-blocks.wgsl.

override A_AHEAD: u32;  // what is over in A_COLUMNS / 4, if A lies along k and every product begins at a multiple of 4
override B_AHEAD: u32;
override B_ASKEW: u32;  // what is over in B_COLUMNS / 4, if B lies across k and every product begins at a multiple of 4

struct Run {
  line: Line,
  latest: mat4x4<f32>,  // what was read last, of use to the next ks
  lane: u32,
}

// Rows over the edge are what stands in memory there: nobody uses their sums.
fn aRun(z: u32, m: u32, k: u32) -> Run {
  var line = aStart(z, m);
  if (A_AHEAD == 0u) { return Run(line, mat4x4<f32>(), 0u); }
  line.at = line.at.x + STEPS * line.columns;
  return Run(line, aQuarters((line.at + k) / 4u), 0u);
}

fn bRun(z: u32, n: u32, k: u32) -> Run {
  var line = bStart(z, n);
  if (B_ASKEW != 0u) { line.at = bStart(z, 0u).at.x + n + STEPS; }
  if (B_AHEAD == 0u) { return Run(line, mat4x4<f32>(), n / 4u % LANES); }
  line.at = line.at.x + STEPS * line.columns;
  return Run(line, bQuarters((line.at + k) / 4u), 0u);
}

fn aQuarters(at: vec4<u32>) -> mat4x4<f32> {
  return mat4x4(a4[at.x], a4[at.y], a4[at.z], a4[at.w]);
}

fn bQuarters(at: vec4<u32>) -> mat4x4<f32> {
  return mat4x4(b4[at.x], b4[at.y], b4[at.z], b4[at.w]);
}

fn aNext(run: ptr<function, Run>, k: u32) -> mat4x4<f32> {
  if (A_AHEAD != 0u) {
    let next = aQuarters(((*run).line.at + k) / 4u + 1u);
    let block = joined((*run).latest, next, A_AHEAD);
    (*run).latest = next;
    return block;
  }
  return aBlock((*run).line, k);
}

fn nextOf(own: vec4<f32>, rest: vec4<f32>, q: u32) -> vec4<f32> {
  return select(select(quadSwapX(own), quadSwapDiagonal(own), q == 1u), rest, q == 3u);
}

// Lanes have columns side by side: what the rows that don't begin at a vec4 lack, the next lane has read; the last one's
// rest, one row per lane of its quad, is read for it.
fn bNext(run: ptr<function, Run>, k: u32) -> mat4x4<f32> {
  if (B_ASKEW != 0u) {
    let q = (*run).lane % 4u;
    let own = bQuarters(((*run).line.at.x + rowsFrom((*run).line, k)) / 4u);
    let rest = b4[((*run).line.at.x + (k + q) * (*run).line.columns) / 4u + 4u - q];
    let next = mat4x4(vec4<f32>(), nextOf(own[1], quadBroadcast(rest, 1u), q), nextOf(own[2], quadBroadcast(rest, 2u), q),
                      nextOf(own[3], quadBroadcast(rest, 3u), q));
    return joined(own, next, B_ASKEW);
  }
  if (B_AHEAD != 0u) {
    let next = bQuarters(((*run).line.at + k) / 4u + 1u);
    let block = joined((*run).latest, next, B_AHEAD);
    (*run).latest = next;
    return transpose(block);
  }
  return bBlock((*run).line, k);
}

// Four rows, the first of which begins at a multiple of 4, each of the next `by` further.
fn joined(p: mat4x4<f32>, n: mat4x4<f32>, by: u32) -> mat4x4<f32> {
  return mat4x4(p[0], shift(p[1], n[1], by), shift(p[2], n[2], by * 2u % 4u), shift(p[3], n[3], by * 3u % 4u));
}

fn shift(p: vec4<f32>, n: vec4<f32>, by: u32) -> vec4<f32> {
  let one = vec4(p.yzw, n.x);
  let two = vec4(p.zw, n.xy);
  let three = vec4(p.w, n.xyz);
  return select(select(p, one, by == 1u), select(two, three, by == 3u), by >= 2u);
}

// k alone, of four rows of A or four columns of B.
fn aOne(run: Run, k: u32) -> vec4<f32> {
  let at = run.line.at + k * select(1u, run.line.columns, TRANSPOSE_A);
  return vec4(a[at.x], a[at.y], a[at.z], a[at.w]);
}

fn bOne(run: Run, k: u32) -> vec4<f32> {
  let at = run.line.at + k * select(run.line.columns, 1u, TRANSPOSE_B);
  return vec4(b[at.x], b[at.y], b[at.z], b[at.w]);
}

// Four ks of the quad's row that has the lane's number, and four columns of its k: see edge blocks.
fn aShare(run: Run, k: u32, q: u32) -> vec4<f32> {
  let at = run.line.at[q] + k * select(1u, run.line.columns, TRANSPOSE_A);
  if (!TRANSPOSE_A & A_VECTOR) { return a4[at / 4u]; }
  let step = select(1u, run.line.columns, TRANSPOSE_A);
  return vec4(a[at], a[at + step], a[at + 2u * step], a[at + 3u * step]);
}

fn bShare(run: Run, k: u32, q: u32) -> vec4<f32> {
  let at = run.line.at + (k + q) * select(run.line.columns, 1u, TRANSPOSE_B);
  if (!TRANSPOSE_B & B_VECTOR) { return b4[at.x / 4u]; }
  return vec4(b[at.x], b[at.y], b[at.z], b[at.w]);
}

// Where the block below the tiles is that a lane has. Quads have their rows in common; what that leaves over lies right of
// the last column.
fn belowTiles(part: Part, lane: u32) -> vec2<u32> {
  let block = part.tileN * LANES + lane;
  let across = (sizes.N + 15u) / 16u * 4u;
  let down = block / across;
  return vec2(down * 4u + sizes.EDGE_M, (block - down * across) * 4u);
}
