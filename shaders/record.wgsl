// ring[step % R, :] = (v0, v1, …, mark), then step += 1. One invocation.
// ring: R x W words. The mark, there where W > VALUES, is 1 + step % 2^24 as a float: exact, and 0 in rows never
// written. Values are copied as words, so that NaN and infinities arrive as they are.

override R: u32;
override W: u32;
override VALUES: u32;

@group(0) @binding(0) var<storage, read_write> ring: array<u32>;
@group(0) @binding(1) var<storage, read_write> step: array<u32>;
@group(0) @binding(2) var<storage, read> v0: array<u32>;
@group(0) @binding(3) var<storage, read> v1: array<u32>;
@group(0) @binding(4) var<storage, read> v2: array<u32>;
@group(0) @binding(5) var<storage, read> v3: array<u32>;
@group(0) @binding(6) var<storage, read> v4: array<u32>;
@group(0) @binding(7) var<storage, read> v5: array<u32>;

@compute @workgroup_size(1)
fn record() {
  let at = (step[0] % R) * W;
  ring[at] = v0[0];
  if (VALUES > 1u) { ring[at + 1u] = v1[0]; }
  if (VALUES > 2u) { ring[at + 2u] = v2[0]; }
  if (VALUES > 3u) { ring[at + 3u] = v3[0]; }
  if (VALUES > 4u) { ring[at + 4u] = v4[0]; }
  if (VALUES > 5u) { ring[at + 5u] = v5[0]; }
  if (W > VALUES) { ring[at + VALUES] = bitcast<u32>(f32(1u + (step[0] & 0xffffffu))); }
  step[0] += 1u;
}
