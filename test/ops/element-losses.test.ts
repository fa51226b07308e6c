/** Losses made of pointwise ops against formulas in float64, all reductions, weights, corners, and on the GPU. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd.ts";
import type { Shape } from "../../src/graph/spec.ts";
import { constant, input, type Tensor } from "../../src/graph/tensor.ts";
import { hinge, huber, klDiv, l1, smoothL1 } from "../../src/ops/loss/element-losses.ts";
import type { Reduction } from "../../src/ops/loss/loss-reduction.ts";
import { bce, bceWithLogits, mse } from "../../src/ops/loss/mean-losses.ts";
import { CpuBackend } from "../../src/runtime/cpu/backend.ts";
import { gpuBackend } from "../support/backend.ts";
import { checkOp } from "../support/check-op.ts";
import { expectClose } from "../support/close.ts";
import { numbers } from "../support/update-run.ts";

const POS = [0.5, 2, 3, 1, 4];
const posWeight = () => constant(Float32Array.from(POS));

interface Kind {
  readonly name: string;
  readonly item: (x: number, t: number, column: number) => number;
  readonly loss: (x: Tensor, t: Tensor, options: { weights?: Tensor; reduction?: Reduction }) => Tensor;
  readonly x: readonly [number, number];
  readonly t: readonly [number, number];
  /** Default true. */
  readonly targetGradient?: boolean;
}

const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const kinds: readonly Kind[] = [
  { name: "l1", item: (x, t) => Math.abs(x - t), loss: l1, x: [-1, 1], t: [-1, 1] },
  {
    name: "huber",
    item: (x, t) => (Math.abs(x - t) <= 0.7 ? (x - t) ** 2 / 2 : 0.7 * (Math.abs(x - t) - 0.35)),
    loss: (x, t, o) => huber(x, t, { ...o, delta: 0.7 }),
    x: [-2, 2],
    t: [-1, 1],
  },
  {
    name: "smoothL1",
    item: (x, t) => (Math.abs(x - t) < 0.5 ? (x - t) ** 2 : Math.abs(x - t) - 0.25),
    loss: (x, t, o) => smoothL1(x, t, { ...o, beta: 0.5 }),
    x: [-2, 2],
    t: [-1, 1],
  },
  {
    name: "smoothL1 of beta 0",
    item: (x, t) => Math.abs(x - t),
    loss: (x, t, o) => smoothL1(x, t, { ...o, beta: 0 }),
    x: [-2, 2],
    t: [-1, 1],
  },
  { name: "klDiv", item: (x, t) => t * (Math.log(t) - x), loss: klDiv, x: [-4, 0], t: [0.01, 1] },
  {
    name: "klDiv of log targets",
    item: (x, t) => Math.exp(t) * (t - x),
    loss: (x, t, o) => klDiv(x, t, { ...o, logTarget: true }),
    x: [-4, 0],
    t: [-4, 0],
  },
  { name: "hinge", item: (x, t) => Math.max(0, 1 - t * x), loss: hinge, x: [-3, 3], t: [-1, 1] },
  { name: "mse", item: (x, t) => (x - t) ** 2, loss: mse, x: [-1, 1], t: [-1, 1] },
  {
    name: "bce",
    item: (x, t) => -(t * Math.log(x) + (1 - t) * Math.log(1 - x)),
    loss: bce,
    x: [0.05, 0.95],
    t: [0, 1],
    targetGradient: false,
  },
  {
    name: "bceWithLogits",
    item: (x, t) => t * softplus(-x) + (1 - t) * softplus(x),
    loss: bceWithLogits,
    x: [-5, 5],
    t: [0, 1],
    targetGradient: false,
  },
  {
    name: "bceWithLogits with posWeight",
    item: (x, t, column) => POS[column]! * t * softplus(-x) + (1 - t) * softplus(x),
    loss: (x, t, o) => bceWithLogits(x, t, { ...o, posWeight: posWeight() }),
    x: [-5, 5],
    t: [0, 1],
  },
];

const weightsOf = (N: number) => Array.from({ length: N }, (_, n) => (n > 0 && n >= N - 2 ? 0 : 1 + (n % 3)));
const reductions = ["mean", "sum", "none"] as const;

for (const kind of kinds) {
  const shapes: readonly Shape[] = [
    [1, 5],
    [7, 5],
    [13, 2, 5],
    [65, 5],
  ];
  checkOp(
    kind.name,
    shapes.flatMap((shape, i) => {
      const reduction = reductions[i % 3] as Reduction;
      const inputs = [
        { shape, range: kind.x },
        { shape, range: kind.t, gradient: kind.targetGradient !== false },
      ];
      const N = shape[0] ?? 1;
      return [
        {
          name: `[${shape}], ${reduction}`,
          inputs,
          build: (x: Tensor, t: Tensor) => kind.loss(x, t, { reduction }),
        },
        {
          name: `[${shape}], ${reduction}, weighted`,
          inputs: [...inputs, { shape: [N], data: weightsOf(N), gradient: false }],
          build: (x: Tensor, t: Tensor, weights: Tensor) => kind.loss(x, t, { reduction, weights }),
        },
      ];
    }) as Parameters<typeof checkOp>[1],
    // A sum of up to 325 terms of 1 and more; as one fused chain and as single ops alike.
    { atol: 4e-6, fuse: true },
  );
}

async function evaluate(
  loss: (x: Tensor, t: Tensor) => Tensor,
  x: ArrayLike<number>,
  t: ArrayLike<number>,
  shape: Shape,
  gpu = false,
): Promise<{ loss: readonly number[]; dx: readonly number[] }> {
  const [a, b] = [input(shape), input(shape)];
  const y = loss(a, b);
  const seed = y.size === 1 ? undefined : constant(new Float32Array(y.size).fill(1), y.shape);
  const [dx] = gradients(y, [a], seed) as [Tensor];
  const backend = gpu ? await gpuBackend() : new CpuBackend({ bits: 64 });
  const program = await backend.compile({ outputs: [y, dx] });
  backend.write(a, Float64Array.from(x));
  backend.write(b, Float64Array.from(t));
  program.run();
  return { loss: [...(await program.read(y))], dx: [...(await program.read(dx))] };
}

describe("losses follow their formulas", () => {
  const [shape, w] = [[6, 5], weightsOf(6)];
  for (const kind of kinds) {
    it(kind.name, async () => {
      const x = Float64Array.from(numbers(30, 1, ...kind.x));
      const t = Float64Array.from(numbers(30, 2, ...kind.t));
      const items = Array.from(x, (v, i) => kind.item(v, t[i]!, i % 5));
      const weighted = items.map((v, i) => v * w[Math.floor(i / 5)]!);
      const total = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
      const weights = constant(Float32Array.from(w));
      const run = async (options: { weights?: Tensor; reduction?: Reduction }) =>
        (await evaluate((a, b) => kind.loss(a, b, options), x, t, shape)).loss;
      const tight = { atol: 1e-12, rtol: 1e-12 };
      expectClose("mean", await run({}), [total(items) / 30], [], tight);
      expectClose("sum", await run({ reduction: "sum" }), [total(items)], [], tight);
      expectClose("none", await run({ reduction: "none" }), items, shape, tight);
      expectClose("weighted mean", await run({ weights }), [total(weighted) / total(w) / 5], [], tight);
      expectClose("weighted sum", await run({ weights, reduction: "sum" }), [total(weighted)], [], tight);
      expectClose("weighted", await run({ weights, reduction: "none" }), weighted, shape, tight);
    });
  }
});

describe.each([
  ["cpu", false],
  ["webgpu", true],
] as const)("corners on %s", (_, gpu) => {
  it("take no notice of samples that weigh 0, and are 0 when none weighs anything", async () => {
    for (const kind of kinds) {
      const x = [0.5, 0.5, 0.5, 0.5, 0.5, ...Array<number>(5).fill(Number.NaN)];
      const t = [0.2, 0.9, 0.3, 0.4, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3];
      for (const reduction of ["mean", "sum"] as const) {
        const weigh = (w: readonly number[]) =>
          evaluate(
            (a, b) => kind.loss(a, b, { weights: constant(Float32Array.from(w)), reduction }),
            x,
            t,
            [2, 5],
            gpu,
          );
        const padded = await weigh([1, 0]);
        expect(padded.loss[0], `${kind.name} ${reduction}`).toBeGreaterThan(-10);
        expect(padded.dx.slice(5), kind.name).toEqual([0, 0, 0, 0, 0]);
        expectClose(kind.name, (await weigh([0, 0])).loss, [0], [], { atol: 0 });
        expect((await weigh([1, 1])).loss[0], kind.name).toBeNaN();
      }
    }
  });

  it("keep their heads at ±1e4", async () => {
    const logits = (r: Reduction) =>
      evaluate(
        (x, t) => bceWithLogits(x, t, { reduction: r }),
        [1e4, -1e4, 1e4, -1e4],
        [1, 0, 0, 1],
        [4],
        gpu,
      );
    expect((await logits("none")).loss).toEqual([0, 0, 1e4, 1e4]);
    expect((await logits("none")).dx).toEqual([0, 0, 1, -1]);
    const far = await evaluate((x, t) => huber(x, t, { reduction: "none" }), [1e4, -1e4], [0, 0], [2], gpu);
    expect(far).toEqual({ loss: [9999.5, 9999.5], dx: [1, -1] });
    const zero = await evaluate((x, t) => klDiv(x, t, { reduction: "none" }), [-2, -3], [0, 1], [2], gpu);
    expect(zero.loss).toEqual([0, 3]);
    const sure = await evaluate(
      (x, t) => bce(x, t, { reduction: "none" }),
      [0, 1, 0, 1],
      [0, 1, 1, 0],
      [4],
      gpu,
    );
    expect(sure.loss.map(Math.abs)).toEqual([0, 0, 100, 100]);
  });

  it("klDiv's batchMean is the mean over rows of their divergences", async () => {
    const x = [-1, -2, -3, -0.5, -0.6, -0.7];
    const t = [0.1, 0.2, 0.7, 0.3, 0.3, 0.4];
    const rows = await evaluate((a, b) => klDiv(a, b, { reduction: "batchMean" }), x, t, [2, 3], gpu);
    const all = t.reduce((s, v, i) => s + v * (Math.log(v) - x[i]!), 0);
    expectClose("batchMean", rows.loss, [all / 2], []);
  });
});

describe("losses refuse", () => {
  const [x, other] = [input([4, 3]), input([3, 4])];
  it.each([
    ["shapes that differ", () => l1(x, other), /l1: x and target must have one shape, got f32\[4, 3\]/],
    ["weights of another length", () => huber(x, x, { weights: input([3]) }), /each of 4 samples/],
    ["a delta of 0", () => huber(x, x, { delta: 0 }), /huber: delta must be above 0, got 0/],
    ["a beta below 0", () => smoothL1(x, x, { beta: -1 }), /smoothL1: beta must be at least 0, got -1/],
    ["integers", () => hinge(x, input([4, 3], "i32")), /hinge: inputs must be f32/],
    [
      "a posWeight of another shape",
      () => bceWithLogits(x, x, { posWeight: input([4]) }),
      /do not broadcast/,
    ],
    [
      "another reduction",
      () => mse(x, x, { reduction: "most" as "sum" }),
      /mse: reduction must be one of mean, sum, none, got most/,
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});
