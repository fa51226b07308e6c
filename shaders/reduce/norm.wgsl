// y = sqrt(sum of x[i]²) over COUNT values, added in a fixed order in two dispatches: `squares` leaves PARTS sums, each of vec4s
// that lie PARTS apart; `root` adds them in one workgroup.

override COUNT: u32;
override PARTS: u32;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

// One invocation per part. Storage is padded to whole vec4s; elements past COUNT are left out.
@compute @workgroup_size(64)
fn squares(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= PARTS) { return; }
  var sum = vec4<f32>();
  for (var i = id.x; i < COUNT / 4u; i += PARTS) { sum += x[i] * x[i]; }
  if (id.x == 0u && COUNT % 4u != 0u) {
    let inside = vec4(4u * (COUNT / 4u)) + vec4(0u, 1u, 2u, 3u) < vec4(COUNT);
    let last = select(vec4<f32>(), x[COUNT / 4u], inside);
    sum += last * last;
  }
  sums[id.x] = (sum.x + sum.y) + (sum.z + sum.w);
}

var<workgroup> lanes: array<f32, 32>;

@compute @workgroup_size(32)
fn root(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < PARTS; i += 32u) { sum += partial[i]; }
  lanes[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var total = 0.0;
    for (var i = 0u; i < 32u; i++) { total += lanes[i]; }
    y[0] = sqrt(total);
  }
}
