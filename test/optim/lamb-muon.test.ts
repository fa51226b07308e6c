/** Rules that look at whole parameters, against float64 loops written from the papers: LAMB and Muon. */
import { describe, expect, it } from "vitest";
import { type Shape, sizeOf } from "../../src/graph/spec.ts";
import { constant, ops, optim, parameter } from "../../src/index.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

const STEPS = 20;
const shapes: readonly Shape[] = [[4, 7], [7], [9, 5], [6, 2, 3, 3], [65, 1], []];
const start = (i: number) => Float64Array.from(numbers(sizeOf(shapes[i]!), i));
const target = (i: number) => Float64Array.from(numbers(sizeOf(shapes[i]!), 50 + i));
const gradient = (p: Float64Array, i: number) => p.map((v, k) => 2 * (v - target(i)[k]!));
const normOf = (x: Float64Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));

/** Parameters after STEPS steps, each by `step` with its own slots. */
function loop(
  step: (p: Float64Array, g: Float64Array, t: number, slots: Float64Array[], i: number) => Float64Array,
): Float64Array[] {
  return shapes.map((_, i) => {
    let p: Float64Array = start(i);
    const slots = [new Float64Array(p.length), new Float64Array(p.length)];
    for (let t = 1; t <= STEPS; t++) p = step(p, gradient(p, i), t, slots, i);
    return p;
  });
}

/** Adam's direction with bias correction. */
function adamDirection(
  g: Float64Array,
  t: number,
  slots: Float64Array[],
  beta1: number,
  beta2: number,
  eps: number,
) {
  const [m, v] = slots as [Float64Array, Float64Array];
  return g.map((value, k) => {
    m[k] = beta1 * m[k]! + (1 - beta1) * value;
    v[k] = beta2 * v[k]! + (1 - beta2) * value * value;
    return m[k]! / (1 - beta1 ** t) / (Math.sqrt(v[k]! / (1 - beta2 ** t)) + eps);
  });
}

const lambLoop = (rate: number, decay: number) =>
  loop((p, g, t, slots) => {
    const direction = adamDirection(g, t, slots, 0.9, 0.999, 1e-6).map((d, k) => d + decay * p[k]!);
    const [w, r] = [normOf(p), normOf(direction)];
    const trust = w > 0 && r > 0 ? w / r : 1;
    return p.map((v, k) => v - rate * trust * direction[k]!);
  });

type Matrix = readonly Float64Array[];
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => (b[0] as Float64Array).map((_, j) => row.reduce((sum, v, k) => sum + v * b[k]![j]!, 0)));
const transposed = (a: Matrix): Matrix => Array.from(a[0]!, (_, j) => Float64Array.from(a, (row) => row[j]!));
const combine = (x: number, a: Matrix, y: number, b: Matrix): Matrix =>
  a.map((row, i) => row.map((v, j) => x * v + y * b[i]![j]!));

function newtonSchulz(x: Float64Array, rows: number): Float64Array {
  const columns = x.length / rows;
  const whole = normOf(x) + 1e-7;
  let y: Matrix = Array.from({ length: rows }, (_, r) =>
    x.slice(r * columns, (r + 1) * columns).map((v) => v / whole),
  );
  if (rows > columns) y = transposed(y);
  for (let i = 0; i < 5; i++) {
    const a = product(y, transposed(y));
    y = combine(3.4445, y, 1, product(combine(-4.775, a, 2.0315, product(a, a)), y));
  }
  if (rows > columns) y = transposed(y);
  const scale = Math.sqrt(Math.max(1, rows / columns));
  return Float64Array.from(y.flatMap((row) => Array.from(row, (v) => scale * v)));
}

const muonLoop = (rate: number, decay: number, nesterov: boolean) =>
  loop((p, g, t, slots, i) => {
    const rows = shapes[i]!.length > 1 ? shapes[i]![0]! : 0;
    const own = rows > 0 ? rate : 3e-3;
    const shrunk = p.map((v) => v * (1 - own * decay));
    if (rows === 0) {
      const direction = adamDirection(g, t, slots, 0.9, 0.95, 1e-10);
      return shrunk.map((v, k) => v - own * direction[k]!);
    }
    const b = slots[0]!;
    for (let k = 0; k < b.length; k++) b[k] = 0.9 * b[k]! + g[k]!;
    const direction = newtonSchulz(nesterov ? g.map((v, k) => v + 0.9 * b[k]!) : b, rows);
    return shrunk.map((v, k) => v - own * direction[k]!);
  });

const muonOf = (nesterov: boolean, weightDecay: number) =>
  optim.muon({ learningRate: 0.05, momentum: 0.9, nesterov, weightDecay, adamw: { learningRate: 3e-3 } });

describe.each([
  ["LAMB", () => optim.lamb({ learningRate: 0.05 }), () => lambLoop(0.05, 0)],
  [
    "LAMB with weight decay",
    () => optim.lamb({ learningRate: 0.05, weightDecay: 0.2 }),
    () => lambLoop(0.05, 0.2),
  ],
  ["Muon", () => muonOf(true, 0), () => muonLoop(0.05, 0, true)],
  ["Muon with weight decay, not Nesterov's", () => muonOf(false, 0.2), () => muonLoop(0.05, 0.2, false)],
])("%s", (_, make, expected) => {
  it.each([
    ["CPU reference, float64", async () => new CpuBackend({ bits: 64 }), 1e-7],
    // Newton-Schulz products amplify the rounding of small singular values.
    ["GPU", gpuBackend, 1e-4],
  ] as const)("%s", async (_name, open, tolerance) => {
    const device = await open();
    const parameters = shapes.map((shape, i) => parameter(shape, start(i), `p${i}`));
    const loss = parameters
      .map((p, i) => ops.sum(ops.square(ops.sub(p, constant(target(i), p.shape)))))
      .reduce((a, b) => ops.add(a, b));
    const { updates } = make().minimize(loss, parameters);
    (await device.compile({ outputs: [], updates })).run(STEPS);
    const wanted = expected();
    for (const [i, p] of parameters.entries()) {
      const tolerances = { atol: tolerance, rtol: tolerance };
      expectClose(`p${i}`, await device.read(p), wanted[i]!, p.shape, tolerances);
    }
  });
});

it("Muon takes as matrices what the filter says, by name, in all groups", async () => {
  const device = new CpuBackend({ bits: 64 });
  const named = new Map(["hidden", "head"].map((name) => [name, parameter([3, 2], numbers(6, 4), "weight")]));
  const rule = optim.muon({
    learningRate: 0.5,
    matrices: (name) => name === "hidden",
    groups: [{ filter: (name) => name === "head", learningRateFactor: 0.5 }],
    adamw: { learningRate: 0.1 },
  });
  const [hidden, head] = [...named.values()];
  const before = numbers(6, 4);
  const { updates } = rule.minimize(ops.add(ops.sum(hidden!), ops.sum(head!)), named);
  (await device.compile({ outputs: [], updates })).run();
  // AdamW's first step is its rate; the orthogonal matrix of ones has one singular value, so its elements are equal.
  const moved = (values: ArrayLike<number>) => Array.from(before, (v, i) => v - values[i]!);
  for (const change of moved(await device.read(head!))) expect(change).toBeCloseTo(0.05, 6);
  const changes = moved(await device.read(hidden!));
  for (const change of changes) {
    expect(change).toBeCloseTo(changes[0]!, 6);
    expect(change).toBeGreaterThan(0.1);
  }
  expect(() => optim.muon({ learningRate: 0 })).toThrow(/muon: learningRate must be above 0/);
  expect(() => optim.muon({ iterations: 0.5 })).toThrow(/muon: iterations must be a whole number/);
  expect(() => optim.muon({ momentum: 1 })).toThrow(/muon: momentum must be a number in \[0, 1\)/);
});
