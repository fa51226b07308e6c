// Logs a step: ring[step % R, :] = (v0 …, v1 …, …, alarm, mark), then step += 1. One invocation, or one workgroup for many values.
// ring [R, W]   v0 … v5: S0 … S5 words, TOTAL together. All are copied as words, so that NaN and infinities stay as they are.
// The mark, which is there where W has room for it, is 1 + step % 2^24 as a float: exact, and 0 in rows that were never written.

override R: u32;
override W: u32;
override TOTAL: u32;
override S0: u32;
override S1: u32;
override S2: u32;
override S3: u32;
override S4: u32;
override S5: u32;
override ALARMED: bool;  // the column after the values is the alarm, 0 or 1 as a float; it is reset

@group(0) @binding(0) var<storage, read_write> ring: array<u32>;
@group(0) @binding(1) var<storage, read_write> step: array<u32>;
@group(0) @binding(2) var<storage, read> v0: array<u32>;
@group(0) @binding(3) var<storage, read> v1: array<u32>;
@group(0) @binding(4) var<storage, read> v2: array<u32>;
@group(0) @binding(5) var<storage, read> v3: array<u32>;
@group(0) @binding(6) var<storage, read> v4: array<u32>;
@group(0) @binding(7) var<storage, read> v5: array<u32>;

// Writes v0 … v4, every `lanes`-th word from `lane` on; returns the index of the next column.
fn writeFirst(now: u32, lane: u32, lanes: u32) -> u32 {
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
  return at + S4;
}

fn writeLast(at: u32, lane: u32, lanes: u32) -> u32 {
  for (var i = lane; i < S5; i += lanes) { ring[at + i] = v5[i]; }
  return at + S5;
}

@group(0) @binding(8) var<storage, read_write> alarm: array<u32>;

fn writeAlarm(at: u32) {
  ring[at] = bitcast<u32>(f32(alarm[0]));
  alarm[0] = 0u;
}

fn finish(now: u32, values: u32) {
  let at = values + select(0u, 1u, ALARMED);
  if (W > TOTAL + select(0u, 1u, ALARMED)) { ring[at] = bitcast<u32>(f32(1u + (now & 0xffffffu))); }
  step[0] = now + 1u;
}

@compute @workgroup_size(1)
fn logFew() {
  let now = step[0];
  finish(now, writeLast(writeFirst(now, 0u, 1u), 0u, 1u));
}

@compute @workgroup_size(64)
fn logMany(@builtin(local_invocation_index) lane: u32) {
  let now = step[0];
  let at = writeLast(writeFirst(now, lane, 64u), lane, 64u);
  // Every invocation must read the counter before it grows.
  storageBarrier();
  if (lane == 0u) { finish(now, at); }
}

@compute @workgroup_size(1)
fn logFewAlarmed() {
  let now = step[0];
  let at = writeFirst(now, 0u, 1u);
  writeAlarm(at);
  finish(now, at);
}

@compute @workgroup_size(64)
fn logManyAlarmed(@builtin(local_invocation_index) lane: u32) {
  let now = step[0];
  let at = writeFirst(now, lane, 64u);
  storageBarrier();
  if (lane == 0u) {
    writeAlarm(at);
    finish(now, at);
  }
}
