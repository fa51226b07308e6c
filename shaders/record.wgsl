// ring[step % R, :] = (v0…, v1…, …, mark), then step += 1. One invocation, or one workgroup where values are many.
// v0 … v5: S0 … S5 words, TOTAL together. ring: R x W words. The mark, there where W > TOTAL, is 1 + step % 2^24 as a float: exact, and 0 in rows never
// written. Values are copied as words, so that NaN and infinities arrive as they are.

override R: u32;
override W: u32;
override TOTAL: u32;
override S0: u32;
override S1: u32;
override S2: u32;
override S3: u32;
override S4: u32;
override S5: u32;

@group(0) @binding(0) var<storage, read_write> ring: array<u32>;
@group(0) @binding(1) var<storage, read_write> step: array<u32>;
@group(0) @binding(2) var<storage, read> v0: array<u32>;
@group(0) @binding(3) var<storage, read> v1: array<u32>;
@group(0) @binding(4) var<storage, read> v2: array<u32>;
@group(0) @binding(5) var<storage, read> v3: array<u32>;
@group(0) @binding(6) var<storage, read> v4: array<u32>;
@group(0) @binding(7) var<storage, read> v5: array<u32>;

// Lanes from `lane` on write every `lanes`-th word each; the answer is where the mark goes.
fn write(now: u32, lane: u32, lanes: u32) -> u32 {
  var at = (now % R) * W;
  for (var i = lane; i < S0; i += lanes) { ring[at + i] = v0[i]; }
  at += S0;
  for (var i = lane; i < S1; i += lanes) { ring[at + i] = v1[i]; }
  at += S1;
  for (var i = lane; i < S2; i += lanes) { ring[at + i] = v2[i]; }
  at += S2;
  for (var i = lane; i < S3; i += lanes) { ring[at + i] = v3[i]; }
  at += S3;
  for (var i = lane; i < S4; i += lanes) { ring[at + i] = v4[i]; }
  at += S4;
  for (var i = lane; i < S5; i += lanes) { ring[at + i] = v5[i]; }
  return at + S5;
}

fn finish(now: u32, at: u32) {
  if (W > TOTAL) { ring[at] = bitcast<u32>(f32(1u + (now & 0xffffffu))); }
  step[0] = now + 1u;
}

@compute @workgroup_size(1)
fn record() {
  let now = step[0];
  finish(now, write(now, 0u, 1u));
}

@compute @workgroup_size(64)
fn recordMany(@builtin(local_invocation_index) lane: u32) {
  let now = step[0];
  let at = write(now, lane, 64u);
  // Everybody has read the counter before it moves on.
  storageBarrier();
  if (lane == 0u) { finish(now, at); }
}
