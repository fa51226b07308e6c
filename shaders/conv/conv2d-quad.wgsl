// The tile of matmul-quad.wgsl for a convolution's operands, two ks after two, for the reasons in matmul-pairs.wgsl.
// Goes with quad-functions.wgsl.

override ODD: bool;  // what is summed over is odd

fn tile(part: Part, m: u32, n: u32) -> Tile {
  let rows = aStart(part.z, m);
  let columns = bStart(part.z, n);
  var t = Tile();
  var counter = counterFrom(part.first);
  for (var k = part.first; k < part.last; k += 2u) {
    let pair = pairOf(counter, k);
    var terms = aPair(rows, pair);
    if (ODD) { terms[1] = select(vec4<f32>(), terms[1], vec4(k + 1u < part.last)); }
    let u = transpose(terms);
    var v = bPair(columns, pair);
    if (ODD) { v[1] = select(vec4<f32>(), v[1], vec4(k + 1u < part.last)); }
    t[0] += v * u;
    t[1] += v * swapX(u);
    t[2] += v * swapY(u);
    t[3] += v * swapDiagonal(u);
    counter = counterAfter(counter, k + 2u);
  }
  return t;
}
