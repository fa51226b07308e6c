// The tile of matmul-quad.wgsl for matrices as stored, two ks after two: the shortest loop that reads more than one number
// at a time. Where each lane is loaded by itself, four ks no longer fit a CPU's cache for instructions, and everywhere they
// take half as long again to compile and leave more over. Goes with matmul-blocks.wgsl and quad-functions.wgsl.

override A_EVEN: bool;   // every product begins at an even place of a, and it is worth reading what can be as vec2
override B_EVEN: bool;
override A_PAIRS: bool;  // so do its rows as stored: their length is even
override B_PAIRS: bool;
override ODD: bool;      // what is summed over is odd

@group(0) @binding(1) var<storage, read> a2: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> b2: array<vec2<f32>>;

// Four rows of A or columns of B.
struct Run {
  at: vec4<u32>,    // where they begin
  step: u32,        // from one k to the next
  rest: vec2<f32>,  // where pairs lie across ks: k of the second and the fourth, which was read before
}

const ACROSS = vec4<u32>(0u, 1u, 0u, 1u);

fn aRun(z: u32, m: u32, k: u32) -> Run {
  let rows = aStart(z, m);
  var rest = vec2<f32>();
  if (ODD & A_EVEN & !TRANSPOSE_A) { rest = vec2(a[rows.at.y + k], a[rows.at.w + k]); }
  return Run(rows.at, select(1u, rows.columns, TRANSPOSE_A), rest);
}

fn bRun(z: u32, n: u32, k: u32) -> Run {
  let columns = bStart(z, n);
  var rest = vec2<f32>();
  if (ODD & B_EVEN & TRANSPOSE_B) { rest = vec2(b[columns.at.y + k], b[columns.at.w + k]); }
  return Run(columns.at, select(columns.columns, 1u, TRANSPOSE_B), rest);
}

// The k after k; over the edge k again.
fn after(k: u32, last: u32) -> u32 {
  if (ODD) { return min(k + 1u, last - 1u); }
  return k + 1u;
}

// What belongs to the k after k, if there is one.
fn unlessOver(second: vec4<f32>, k: u32, last: u32) -> vec4<f32> {
  if (ODD) { return select(vec4<f32>(), second, vec4(k + 1u < last)); }
  return second;
}

fn aFour(at: vec4<u32>, pairs: bool) -> vec4<f32> {
  if (pairs) { return vec4(a2[at.x >> 1u], a2[(at.x >> 1u) + 1u]); }
  return vec4(a[at.x], a[at.y], a[at.z], a[at.w]);
}

fn bFour(at: vec4<u32>, pairs: bool) -> vec4<f32> {
  if (pairs) { return vec4(b2[at.x >> 1u], b2[(at.x >> 1u) + 1u]); }
  return vec4(b[at.x], b[at.y], b[at.z], b[at.w]);
}

fn aPairs(at: vec4<u32>) -> mat4x2<f32> {
  return mat4x2(a2[at.x], a2[at.y], a2[at.z], a2[at.w]);
}

fn bPairs(at: vec4<u32>) -> mat4x2<f32> {
  return mat4x2(b2[at.x], b2[at.y], b2[at.z], b2[at.w]);
}

// ks k and k + 1 of `run` out of what was read for it, where each row is as long as an odd number.
fn joined(run: ptr<function, Run>, read: mat4x2<f32>, k: u32, last: u32) -> mat4x2<f32> {
  let first = vec4(read[0].x, (*run).rest.x, read[2].x, (*run).rest.y);
  let second = unlessOver(vec4(read[0].y, read[1].x, read[2].y, read[3].x), k, last);
  (*run).rest = vec2(read[1].y, read[3].y);
  return transpose(mat2x4(first, second));
}

// Four rows of A, ks k and k + 1 of each; zero over the edge.
fn aPair(run: ptr<function, Run>, k: u32, last: u32) -> mat4x2<f32> {
  let at = (*run).at;
  let step = (*run).step;
  if (!TRANSPOSE_A & A_PAIRS) { return aPairs((at + k) >> vec4(1u)); }
  if (!TRANSPOSE_A & A_EVEN) { return joined(run, aPairs((at + k + ACROSS) >> vec4(1u)), k, last); }
  let second = unlessOver(aFour(at + after(k, last) * step, TRANSPOSE_A & A_PAIRS), k, last);
  return transpose(mat2x4(aFour(at + k * step, TRANSPOSE_A & A_EVEN), second));
}

// ks k and k + 1, four columns of B of each; zero over the edge.
fn bPair(run: ptr<function, Run>, k: u32, last: u32) -> mat2x4<f32> {
  let at = (*run).at;
  let step = (*run).step;
  if (TRANSPOSE_B & B_PAIRS) { return transpose(bPairs((at + k) >> vec4(1u))); }
  if (TRANSPOSE_B & B_EVEN) { return transpose(joined(run, bPairs((at + k + ACROSS) >> vec4(1u)), k, last)); }
  let second = unlessOver(bFour(at + after(k, last) * step, !TRANSPOSE_B & B_PAIRS), k, last);
  return mat2x4(bFour(at + k * step, !TRANSPOSE_B & B_EVEN), second);
}

fn tile(part: Part, m: u32, n: u32) -> Tile {
  var rows = aRun(part.z, m, part.first);
  var columns = bRun(part.z, n, part.first);
  var t = Tile();
  for (var k = part.first; k < part.last; k += 2u) {
    let u = aPair(&rows, k, part.last);
    let v = bPair(&columns, k, part.last);
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
  }
  return t;
}
