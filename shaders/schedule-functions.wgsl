// Parts of learning-rate schedules that must be exact in whole steps, where a division alone may round across.

// floor(t / size) of whole numbers below 2^24.
fn timesOf(t: f32, size: f32) -> f32 {
  var q = floor(t / size);
  if (q * size > t) { q -= 1.0; }
  if ((q + 1.0) * size <= t) { q += 1.0; }
  return q;
}

// How far t is in its period, 0 up to 1: the first has `length` steps, each next one `factor` times as many.
fn restartOf(t: f32, length: f32, factor: f32) -> f32 {
  if (factor == 1.0) { return (t - timesOf(t, length) * length) / length; }
  var begun = 0.0;
  var size = length;
  while (t >= begun + size) {
    begun += size;
    size *= factor;
  }
  return (t - begun) / size;
}

// From `first` to `last` along half a cosine, at `part` of the way.
fn halfCosineOf(first: f32, last: f32, part: f32) -> f32 {
  return last + (first - last) * 0.5 * (1.0 + cosOf(3.14159265 * part));
}
