// The targets of each row of a class loss, with weights and correctness; one invocation per row. Needs special-functions.wgsl.
// logits [N, C]   labels [N], or shares [N, C]: probabilities of the classes   weights [N]   classWeights [C]
// targets [N, C]: classWeights[c] ((1 - smoothing) share + smoothing / C), where the share of a label is 1; 0 in ignored rows
// counts [N]: weights[n], 0 in ignored rows   norms [N]: counts times the class weight of the label; for shares, counts
// hits [N]: counts where the largest logit is at the label (for shares: at the largest share), else 0

override N: u32;
override C: u32;
override weighted: bool;
override classWeighted: bool;
override ignoreIndex: i32;
override even: f32;  // smoothing / C
override rest: f32;  // 1 - smoothing

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(1) var<storage, read> shares: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> classWeights: array<f32>;
@group(0) @binding(4) var<storage, read_write> targets: array<f32>;
@group(0) @binding(5) var<storage, read_write> counts: array<f32>;
@group(0) @binding(6) var<storage, read_write> norms: array<f32>;
@group(0) @binding(7) var<storage, read_write> hits: array<f32>;

fn beats(v: f32, best: f32) -> bool {
  return !isNan(best) && (isNan(v) || v > best);
}

fn largestLogit(first: u32) -> u32 {
  var winner = 0u;
  for (var c = 1u; c < C; c++) {
    if (beats(logits[first + c], logits[first + winner])) { winner = c; }
  }
  return winner;
}

fn classWeight(c: u32) -> f32 {
  if (classWeighted) { return classWeights[c]; }
  return 1.0;
}

fn weightOf(n: u32) -> f32 {
  if (weighted) { return weights[n]; }
  return 1.0;
}

fn write(n: u32, count: f32, norm: f32, hit: bool) {
  counts[n] = count;
  norms[n] = norm;
  hits[n] = select(0.0, count, hit);
}

@compute @workgroup_size(64)
fn fromLabels(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) g: vec3<u32>) {
  let n = id.y * g.x * 64u + id.x;
  if (n >= N) { return; }
  let label = labels[n];
  let w = weightOf(n);
  if (w == 0.0 || label == ignoreIndex) {
    for (var c = 0u; c < C; c++) { targets[n * C + c] = 0.0; }
    write(n, 0.0, 0.0, false);
    return;
  }
  let known = label >= 0 && label < i32(C);
  let invalid = nan();
  for (var c = 0u; c < C; c++) {
    let share = even + select(0.0, rest, i32(c) == label);
    targets[n * C + c] = select(invalid, classWeight(c) * share, known);
  }
  let own = classWeight(select(0u, u32(label), known));
  write(n, w, select(invalid, w * own, known), i32(largestLogit(n * C)) == label);
}

@compute @workgroup_size(64)
fn fromShares(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) g: vec3<u32>) {
  let n = id.y * g.x * 64u + id.x;
  if (n >= N) { return; }
  let w = weightOf(n);
  var best = 0u;
  for (var c = 0u; c < C; c++) {
    let share = shares[n * C + c];
    if (beats(share, shares[n * C + best])) { best = c; }
    targets[n * C + c] = select(classWeight(c) * (even + rest * share), 0.0, w == 0.0);
  }
  write(n, w, w, largestLogit(n * C) == best);
}
