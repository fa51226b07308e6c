// Fragment: random orders by key, the same as in src/numbers/permutation.ts. Provides `lowbias32` and `permuteIndex`.

// A 32-bit bijection that mixes well: https://nullprogram.com/blog/2018/07/31/ .
fn lowbias32(word: u32) -> u32 {
  var x = (word ^ (word >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

// Element i of the order of 0 … n - 1 that belongs to the key: a Feistel network on the smallest domain of 4^h >= n values, applied
// until the value is below n.
fn permuteIndex(i: u32, n: u32, k0: u32, k1: u32) -> u32 {
  const golden = 0x9e3779b9u;
  let halfBits = max(1u, (33u - countLeadingZeros(n - 1u)) >> 1u);
  let mask = (1u << halfBits) - 1u;
  let firstKey = lowbias32(k0 ^ lowbias32(k1 + golden));
  let keyStep = lowbias32(k1 ^ lowbias32(firstKey + golden)) | 1u;
  var value = i;
  loop {
    var left = value >> halfBits;
    var right = value & mask;
    var roundKey = firstKey;
    for (var round = 0u; round < 8u; round++) {
      let mixed = left ^ (lowbias32(right + roundKey) & mask);
      left = right;
      right = mixed;
      roundKey += keyStep;
    }
    value = (left << halfBits) | right;
    if (value < n) { break; }
  }
  return value;
}
