// Fragment: random words by counter, the same as in src/numbers/random.ts. Provides `threefry2x32`.

fn rotateLeft(x: u32, by: u32) -> u32 {
  return (x << by) | (x >> (32u - by));
}

fn threefryRounds(v: vec2<u32>, r: vec4<u32>) -> vec2<u32> {
  var x = v.x;
  var y = v.y;
  x += y;
  y = rotateLeft(y, r.x) ^ x;
  x += y;
  y = rotateLeft(y, r.y) ^ x;
  x += y;
  y = rotateLeft(y, r.z) ^ x;
  x += y;
  y = rotateLeft(y, r.w) ^ x;
  return vec2(x, y);
}

// Threefry-2x32 with 20 rounds: the two words of (key, counter).
fn threefry2x32(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
  const odd = vec4<u32>(13u, 15u, 26u, 6u);
  const even = vec4<u32>(17u, 29u, 16u, 24u);
  let parity = key.x ^ key.y ^ 0x1bd11bdau;
  var v = threefryRounds(counter + key, odd) + vec2(key.y, parity + 1u);
  v = threefryRounds(v, even) + vec2(parity, key.x + 2u);
  v = threefryRounds(v, odd) + vec2(key.x, key.y + 3u);
  v = threefryRounds(v, even) + vec2(key.y, parity + 4u);
  return threefryRounds(v, odd) + vec2(parity, key.x + 5u);
}
