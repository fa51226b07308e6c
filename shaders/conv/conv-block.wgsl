// relu and max-pool over windows PKH x PKW that neither overlap nor are padded, and their gradient, for convolution blocks
// whose convolution is a kernel of its own. conv [N, O, OH, OW], y, dy and code [N, O, PH, PW].
// code: the argmax index, row * PKW + column of the window's first maximum; NONE where relu is inactive and no gradient passes.

override N: u32;
override O: u32;
override OH: u32;
override OW: u32;
override PH: u32;
override PW: u32;
override PKH: u32;
override PKW: u32;

const NONE = 0xffffffffu;

@group(0) @binding(0) var<storage, read> conv: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> code: array<u32>;

@compute @workgroup_size(64)
fn pool(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  if (i >= N * O * PH * PW) { return; }
  let corner = i / (PH * PW) * (OH * OW) + i / PW % PH * (PKH * OW) + i % PW * PKW;
  var best = 0.0;
  var winner = NONE;
  for (var k = 0u; k < PKH * PKW; k++) {
    let v = conv[corner + k / PKW * OW + k % PKW];
    // A NaN beats everything, the last one the others.
    if (((v > best) & !isNan(best)) | isNan(v)) {
      best = v;
      winner = k;
    }
  }
  y[i] = best;
  code[i] = winner;
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> dense: array<f32>;

// The gradient of the convolution's output.
@compute @workgroup_size(64)
fn unpool(@builtin(workgroup_id) wg: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let i = (wg.y * num.x + wg.x) * 64u + lane;
  if (i >= N * O * OH * OW) { return; }
  let row = i / OW % OH;
  let column = i % OW;
  let inside = (row < PH * PKH) & (column < PW * PKW);
  let at = i / (OH * OW) * (PH * PW) + min(row / PKH, PH - 1u) * PW + min(column / PKW, PW - 1u);
  let here = row % PKH * PKW + column % PKW;
  dense[i] = select(0.0, dy[at], inside & (codes[at] == here));
}
