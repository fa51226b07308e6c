// Functions of learning-rate schedules. Steps are integers, and differences of them are taken in integers before anything is
// rounded: a rate that goes to 0 has a relative error below 1e-6 up to its last step. Needs math-functions.wgsl.

// n * factor / 2^64 in fixed point: one word before the point, two after it.
fn scaledWords(n: u32, factor: vec2<u32>) -> vec3<u32> {
  let high = multiplyWide(n, factor.x);
  let low = multiplyWide(n, factor.y);
  let middle = high.y + low.x;
  return vec3(high.x + select(0u, 1u, middle < low.x), middle, low.y);
}

// n / size; `inverse` is 2^64 / size, computed in float64.
fn shareOf(n: u32, inverse: vec2<u32>) -> f32 {
  let words = vec3<f32>(scaledWords(n, inverse));
  return words.x + (words.y * 0x1p-32 + words.z * 0x1p-64);
}

// sin(pi/2 share)^2, where rest = 1 - share.
fn sineSquareOf(share: f32, rest: f32) -> f32 {
  let root = select(cosPart(1.5707963 * rest), sinPart(1.5707963 * share), share < 0.5);
  return root * root;
}

// From `first` to `last` along half a cosine; done + rest = 1. Without a difference, so that nothing cancels.
fn halfCosineOf(first: f32, last: f32, done: f32, rest: f32) -> f32 {
  return first * sineSquareOf(rest, done) + last * sineSquareOf(done, rest);
}

fn lineOf(first: f32, last: f32, done: f32, rest: f32) -> f32 {
  return first * rest + last * done;
}

// Half a cosine of `steps` steps, then back, and so on.
fn cosineOf(first: f32, last: f32, t: u32, steps: u32, inverse: vec2<u32>) -> f32 {
  let within = t % (2u * steps);
  let done = min(within, 2u * steps - within);
  return halfCosineOf(first, last, shareOf(done, inverse), shareOf(steps - done, inverse));
}

fn powerOfTwo(e: i32) -> f32 { return bitcast<f32>(u32(e + 127) << 23u); }

// value * 2^(whole + fraction / 2^32).
fn timesPowerOfTwo(value: f32, whole: i32, fraction: u32) -> f32 {
  // To the nearest whole number, and e^x of the rest.
  let x = f32(bitcast<i32>(fraction)) * (0.6931472 * 0x1p-32);
  let power = 1.0 + x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * (0.008333334 + x * (0.0013888889 +
    x * 0.0001984127))))));
  // In two factors, since one may be no normal number.
  let e = clamp(whole + i32(fraction >> 31u), -252, 254);
  return value * power * powerOfTwo(e / 2) * powerOfTwo(e - e / 2);
}

// value * 2^(± n (whole + fraction / 2^64)).
fn growthOf(value: f32, n: u32, grows: bool, whole: u32, fraction: vec2<u32>) -> f32 {
  let words = scaledWords(n, fraction);
  let most = multiplyWide(n, whole);
  let exponent = select(min(most.y, 4096u) + min(words.x, 4096u), 4096u, most.x > 0u);
  if (grows) { return timesPowerOfTwo(value, i32(exponent), words.y); }
  return timesPowerOfTwo(value, -i32(exponent) - select(0, 1, words.y > 0u), 0u - words.y);
}

// value * (n / size)^power, for n up to size and a power of whole + fraction / 2^32.
fn shareToPower(value: f32, n: u32, inverse: vec2<u32>, whole: u32, fraction: u32) -> f32 {
  if (n == 0u) { return 0.0; }
  let words = scaledWords(n, inverse);
  if (words.x > 0u) { return value; }
  // The share is m 2^(-31 - zeros), m from 2^31 on, and its base-2 logarithm comes bit by bit by squaring m.
  let zeros = select(countLeadingZeros(words.y), 32u + countLeadingZeros(words.z), words.y == 0u);
  let upper = select(words.y, words.z, zeros >= 32u);
  let lower = select(words.z, 0u, zeros >= 32u);
  let shift = zeros % 32u;
  var m = (upper << shift) | ((lower >> 1u) >> (31u - shift));
  var logarithm = 0u;
  for (var i = 0u; i < 32u; i++) {
    let square = multiplyWide(m, m);
    let two = square.x >> 31u;
    m = select((square.x << 1u) | (square.y >> 31u), square.x, two == 1u);
    logarithm = (logarithm << 1u) | two;
  }
  // Minus the logarithm of the share, times the power.
  let before = zeros + select(0u, 1u, logarithm == 0u);
  let after = 0u - logarithm;
  let a = multiplyWide(before, fraction);
  let b = multiplyWide(after, whole);
  let c = multiplyWide(after, fraction);
  let ab = a.y + b.y;
  let abc = ab + c.x;
  let carry = select(0u, 1u, ab < a.y) + select(0u, 1u, abc < ab);
  let exponent = min(before * whole + a.x + b.x + carry, 4096u);
  return timesPowerOfTwo(value, -i32(exponent) - select(0, 1, abc > 0u), 0u - abc);
}
