/**
 * Two ops as a user of the package writes them, with nothing but the public names: one with its own WGSL, a CPU body and a
 * backward pass, and one element-wise op. test/custom-op.test.ts runs them; package.test.ts compiles and runs this file in a
 * project that has the package installed.
 */
import { defineOp, definePointwise, ops, Shader, ShapeError, type Spec, type Tensor } from "weft";

const WGSL = `
struct Sizes { M: u32, N: u32, K: u32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> d: array<f32>;
@group(0) @binding(3) var<uniform> sizes: Sizes;
override squareRoot: bool;

// One invocation per pair: row wg.y of a, row id.x of b.
@compute @workgroup_size(64)
fn distances(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= sizes.N) { return; }
  var sum = 0.0;
  for (var k = 0u; k < sizes.K; k++) {
    let difference = a[id.y * sizes.K + k] - b[id.x * sizes.K + k];
    sum += difference * difference;
  }
  d[id.y * sizes.N + id.x] = select(sum, sqrt(sum), squareRoot);
}`;

const shader = new Shader("distances.wgsl", WGSL);

const isMatrix = (spec: Spec | undefined) => spec?.dtype === "f32" && spec.shape.length === 2;

/** Distances of all pairs of rows, squared unless `squareRoot`: a [M, K], b [N, K] -> [M, N]. */
const distancesOp = defineOp({
  name: "distances",
  args: ["a", "b"],
  results: ["d"],
  plan(inputs, { squareRoot }: { readonly squareRoot: boolean }) {
    const [a, b] = inputs as [Spec, Spec];
    if (!inputs.every(isMatrix) || a.shape[1] !== b.shape[1]) {
      throw new ShapeError("distances: a and b must be f32 matrices with the same number of columns");
    }
    const [M = 0, K = 0] = a.shape;
    const [N = 0] = b.shape;
    return { outputs: [{ shape: [M, N], dtype: "f32" }], constants: { M, N, K, squareRoot } };
  },
  cpu({ a, b, d }, { M, N, K, squareRoot }) {
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += ((a[m * K + k] as number) - (b[n * K + k] as number)) ** 2;
        d[m * N + n] = squareRoot ? Math.sqrt(sum) : sum;
      }
    }
  },
  kernels({ M, N }) {
    const groups = [Math.ceil(N / 64), M] as const;
    return { kernels: [{ shader, entry: "distances", bind: ["a", "b", "d"], groups }] };
  },
  backward({ inputs, outputs, grads, needs, attrs: { squareRoot } }) {
    const [a, b] = inputs as [Tensor, Tensor];
    // Derivative by the squared distance, of which each difference of coordinates is a half derivative.
    const half = squareRoot
      ? ops.div(grads[0] as Tensor, outputs[0] as Tensor)
      : ops.mul(grads[0] as Tensor, 2);
    const gradient = (weights: Tensor, own: Tensor, other: Tensor) =>
      ops.sub(ops.mul(own, ops.sum(weights, { axes: 1, keepDims: true })), ops.matmul(weights, other));
    return [
      needs[0] ? gradient(half, a, b) : undefined,
      needs[1] ? gradient(ops.transpose(half, 0, 1), b, a) : undefined,
    ];
  },
});

export function distances(a: Tensor, b: Tensor, { squareRoot = false } = {}): Tensor {
  return distancesOp.one([a, b], { squareRoot });
}

/** x / (scale + |x|), with the derivative scale / (scale + |x|)^2. */
const softsignOp = definePointwise<{ readonly scale: number }>({
  name: "softsign",
  args: ["x"],
  wgsl: ([x], { scale }) => `${x} / (${scale.toFixed(8)} + abs(${x}))`,
  scalar: ([x = 0], { scale }) => x / (scale + Math.abs(x)),
  backward: ({ inputs: [x], grads: [dy], attrs: { scale } }) => [
    ops.mul(dy as Tensor, ops.div(scale, ops.square(ops.add(ops.abs(x as Tensor), scale)))),
  ],
});

export function softsign(x: Tensor, scale = 1): Tensor {
  return softsignOp.one([x], { scale });
}
